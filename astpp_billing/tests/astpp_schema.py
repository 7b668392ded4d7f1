"""The tables of an ASTPP 6 database (ASTPP facts 1), in a short notation.

``name type [default]``; NOT NULL unless NULL is given; i = int(11), ti = tinyint(1), t4 = tinyint(4),
si = smallint(6), d(p,s) = decimal, vc(n) = varchar, dt = datetime; 0000 and 1000 are ASTPP's two dates that mean
"never". A column without a default gets none.
"""

import re

TABLES = {
    "accounts": """
        id i AI, number vc(20), reseller_id i NULL [NULL], pricelist_id i, paypal_permission ti [0], reference vc(100),
        status ti [0], sweep_id ti [0], creation dt [1000], credit_limit d(20,5) [0], posttoexternal ti [0],
        balance d(20,5) [0], password vc(100) [''], first_name vc(40) [''], last_name vc(40) [''],
        company_name vc(40) [''], address_1 vc(80) [''], address_2 vc(80) [''], postal_code vc(12) [''],
        province vc(20) [''], city vc(20) [''], country_id i [0], telephone_1 vc(20) [''], telephone_2 vc(20) [''],
        email vc(80) [''], notification_email vc(80) [''], language_id i [0], currency_id i [0], maxchannels i [1],
        cps i [0], dialed_modify mediumtext, type ti NULL [0], timezone_id i [0], inuse i [0], deleted ti [0],
        notify_credit_limit d(20,5) [0], notify_flag ti, notify_email vc(80), commission_rate i [0], invoice_day i [0],
        invoice_interval i, invoice_note text, last_bill_date dt [0000], pin vc(20), first_used dt, expiry dt,
        validfordays i [3652], local_call_cost d(20,5) [0], pass_link_status ti [0], local_call ti [1],
        charge_per_min vc(100), is_recording ti [1], allow_ip_management ti [1], permission_id i [0],
        deleted_date dt [1000], localization_id i NULL [0], notifications t4 [0], is_distributor t4 [1],
        generate_invoice t4 [0], std_cid_translation vc(100), did_cid_translation vc(100), tax_number vc(100) NULL [NULL];
        PK id; KEY number""",
    "cdrs": """
        uniqueid vc(60) [''], accountid i NULL [0], type ti [0], sip_user vc(20) [''], callerid vc(120),
        callednum vc(30) [''], translated_dst vc(30), ct i [0], billseconds si [0], trunk_id si [0], trunkip vc(15) [''],
        callerip vc(15) [''], disposition vc(45) [''], callstart dt [1000], debit d(20,6) [0], cost d(20,6) [0],
        provider_id i [0], pricelist_id si [0], package_id i [0], pattern vc(20), notes vc(80), invoiceid i [0],
        rate_cost d(20,6) [0], reseller_id i [0], reseller_code vc(20), reseller_code_destination vc(80) NULL [NULL],
        reseller_cost d(20,6) [0], provider_code vc(20), provider_code_destination vc(80), provider_cost d(20,6) [0],
        provider_call_cost d(20,6), call_direction enum('outbound','inbound'),
        calltype enum('STANDARD','DID','FREE','CALLINGCARD','FAX','LOCAL','BROADCAST') ['STANDARD'], billmsec i [0],
        answermsec i [0], waitmsec i [0], progress_mediamsec i [0], flow_billmsec i [0], is_recording ti [1],
        call_request t4 [0], country_id i [0], end_stamp dt [0000]; KEY callstart,reseller_id,type""",
    "reseller_cdrs": """
        uniqueid vc(60) [''], accountid i NULL [0], callerid vc(120) [''], callednum vc(30) [''], translated_dst vc(30),
        billseconds si [0], disposition vc(45) [''], callstart dt [0000], debit d(20,6) [0], cost d(20,6) [0],
        pricelist_id si [0], package_id si [0], pattern vc(20), notes vc(80),
        calltype enum('STANDARD','DID','FREE','CALLINGCARD','FAX','LOCAL') ['STANDARD'], reseller_id i [0],
        rate_cost d(20,6) [0], reseller_code vc(20) [''], reseller_code_destination vc(80) [''], reseller_cost d(20,6) [0],
        call_direction enum('outbound','inbound'), call_request t4 [0], country_id i, end_stamp dt [0000], trunk_id i;
        KEY callstart,reseller_id""",
    "products": """
        id i AI, name vc(100), country_id i, description vc(500), product_category i, buy_cost d(20,5) [0],
        price d(20,5) NULL [0], setup_fee d(20,5) [0], can_resell ti [0], commission d(10,5) [0], billing_type ti,
        billing_days i [0], free_minutes i [0], applicable_for i, apply_on_existing_account ti, apply_on_rategroups vc(50),
        destination_rategroups vc(50), destination_countries vc(256), destination_calltypes vc(50), release_no_balance ti,
        can_purchase ti [0], status ti [0], is_deleted t4 [0], created_by i, reseller_id i, creation_date dt [1000],
        last_modified_date dt [1000]; PK id""",
    "reseller_products": """
        id i AI, product_id i, account_id i, reseller_id i, country_id i, status t4, buy_cost d(10,5) [0],
        price d(10,5) [0], free_minutes i [0], commission d(10,5) [0], setup_fee d(10,5) [0], billing_days i,
        billing_type t4, is_owner t4, is_optin t4 [1], optin_date dt [1000], modified_date dt [1000];
        PK id; UNIQUE product_id,account_id,reseller_id""",
    "category": """
        id i AI, name vc(100), code vc(50), description vc(200), status ti [0], creation_date dt [1000]; PK id""",
    "orders": """
        id i AI, order_id vc(50), parent_order_id i, order_date dt [1000], order_generated_by i, payment_gateway vc(50),
        payment_status vc(20), accountid i, reseller_id i, ip vc(20); PK id""",
    "order_items": """
        id i AI, order_id i, product_category i, product_id i, quantity i [1], price d(10,5) [0], setup_fee d(10,5) [0],
        billing_type i, billing_days i [0], free_minutes i [0], accountid i, reseller_id i, billing_date dt,
        next_billing_date dt, is_terminated ti [0], termination_date dt, termination_note vc(255), from_currency vc(3),
        exchange_rate d(10,5) [1], to_currency vc(3); PK id""",
    "counters": """
        id i AI, product_id i [0], package_id i [0], accountid i [0], used_seconds i [0], type ti, status ti [1];
        PK id; KEY accountid; KEY product_id""",
    "package_patterns": """
        id i AI, product_id i, country_id i [0], patterns vc(50), destination vc(100); PK id;
        UNIQUE product_id,country_id,patterns""",
    "dids": """
        id i AI, number vc(40) [''], accountid i [0], parent_id i [0], connectcost d(20,5) [0], includedseconds i [0],
        monthlycost d(20,5) [0], cost d(20,5) [0], init_inc i [0], inc i, extensions vc(180) [''], status ti [0],
        provider_id i [0], country_id i [0], province vc(20) [''], city vc(20) [''], setup d(20,5) [0], maxchannels i [0],
        call_type ti [0], leg_timeout i [30], product_id i, always i, always_destination vc(50),
        user_busy i, user_busy_destination vc(50), user_not_registered i, user_not_registered_destination vc(50),
        no_answer i, no_answer_destination vc(50), failover_extensions vc(180), failover_call_type ti [1],
        always_vm_flag ti [1], user_busy_vm_flag ti [1], user_not_registered_vm_flag ti [1], no_answer_vm_flag ti [1],
        call_type_vm_flag ti [1], last_modified_date dt [0000]; PK id; KEY accountid; KEY number""",
    "invoices": """
        id i AI, prefix vc(25), number vc(200), accountid i [0], reseller_id i [0], payment_id i [0], from_date dt [0000],
        to_date dt [0000], due_date dt, status ti [0], generate_date dt [1000], type enum('I','R') ['I'],
        generate_type i [0], confirm i NULL [0], notes longtext, is_deleted ti [0]; PK id; KEY accountid""",
    "invoice_details": """
        id i AI, accountid i, reseller_id i [0], invoiceid i [0], order_item_id i [0], charge_type vc(30), payment_id i [0],
        product_category i [0], is_tax ti [0], base_currency vc(5), exchange_rate d(20,6) [0], account_currency vc(5),
        description vc(255) NULL [NULL], debit d(20,5) [0], credit d(20,5) [0], created_date dt, generate_type i [0],
        before_balance vc(100) ['0'], after_balance vc(100) ['0'], quantity i [1]; PK id""",
    "invoice_conf": """
        id i AI, accountid i, company_name vc(100), address vc(300), city vc(20), province vc(20), country vc(20),
        zipcode vc(10), telephone vc(20), fax vc(20), emailaddress vc(100), website vc(100), invoice_prefix vc(11) ['INV_'],
        invoice_start_from i [1], logo vc(100), favicon vc(100), invoice_note text, invoice_due_notification ti [0],
        invoice_notification ti [0], no_usage_invoice t4 [0], interval vc(11), notify_before_day i [1],
        invoice_taxes_number vc(100) ['ABN 12 345 678 901'], domain vc(100), website_title vc(100), website_footer vc(100),
        reseller_id i [0]; PK id""",
    "payment_transaction": """
        id i AI, accountid i, amount d(20,5), tax vc(10), payment_method vc(20), actual_amount d(20,5),
        payment_fee d(20,5) [0], reseller_id i [0], transaction_id vc(50), customer_ip vc(100), user_currency vc(50),
        currency_rate d(10,5), transaction_details mediumtext, date ts; PK id""",
    "refill_coupon": """
        id i AI, number vc(30), amount d(20,5), description vc(55), status ti, firstused ts0, account_id i, reseller_id i,
        currency_id i, creation_date dt [1000]; PK id""",
    "taxes": """
        id i AI, taxes_priority i NULL [1], taxes_amount d(20,5) [0], tax_type ti [0], taxes_rate d(20,5) [0],
        taxes_description vc(255), reseller_id i [0], last_modified_date dt [0000], creation_date dt [0000], status ti [0];
        PK id""",
    "taxes_to_accounts": """
        id i AI, accountid i [0], taxes_id i [0], taxes_priority t4 [0], assign_date dt [1000]; PK id; KEY accountid""",
    "currency": """
        id i AI, currency vc(3) [''], currencyname vc(40) [''], currencyrate d(10,3), last_updated ts, is_supported ti [1];
        PK id; KEY currency""",
    "timezone": """
        id i AI, gmttime vc(255) NULL [NULL], gmtoffset bigint(20) [0], timezone_name vc(255), timezone_digit vc(60);
        PK id""",
    "countrycode": """
        id i AI, currency_id i, iso char(2), country vc(80), nicename vc(80), iso3 char(3) NULL [NULL], countrycode i,
        vat d(10,5) [0]; PK id; UNIQUE iso""",
    "sweeplist": "id i [0], sweep vc(15) ['']",
    "system": """
        id i AI, name vc(48) NULL [NULL], display_name vc(255), value vc(1111) NULL [NULL], reseller_id i, is_display ti [0];
        PK id; KEY name""",
    "cron_settings": """
        id i AI, name vc(50), command vc(50), exec_interval i [1], status ti [0], file_path vc(200); PK id""",
}
TYPES = {"i": "int(11)", "ti": "tinyint(1)", "t4": "tinyint(4)", "si": "smallint(6)", "dt": "datetime"}
NEVER = {"0000": "'0000-00-00 00:00:00'", "1000": "'1000-01-01 00:00:00'"}
# The contents of a new ASTPP, including the quirks of its lookup tables (ASTPP facts 1.8, 1.17, 9).
SEED = """
    INSERT INTO category (id, name, code, description) VALUES
        (1, 'Package', 'PACKAGE', ''), (3, 'Refill', 'REFILL', ''), (4, 'DID', 'DID', '');
    INSERT INTO sweeplist VALUES (0, 'Daily'), (2, 'Monthly');
    INSERT INTO currency (id, currency, currencyname, currencyrate) VALUES
        (1, 'USD', 'US Dollar', 1), (2, 'EUR', 'Euro', 0.920), (3, 'GBP', 'Pound', 0.790), (4, 'GBP', 'Sterling', 0.790);
    INSERT INTO timezone (id, gmttime, gmtoffset, timezone_name, timezone_digit) VALUES
        (49, 'GMT', 0, 'UTC', ''), (50, 'CET', 3600, 'Europe/Berlin', ''), (51, 'Mars', 0, 'Mars/Olympus', '');
    INSERT INTO countrycode (id, currency_id, iso, country, nicename, countrycode) VALUES
        (203, 1, 'US', 'UNITED STATES', 'United States', 1), (85, 2, 'DE', 'GERMANY', 'Germany', 49);
    INSERT INTO `system` (name, display_name, value, reseller_id) VALUES
        ('base_currency', '', 'USD', 0), ('automatic_invoice', '', '0', 0), ('version', '', '6.0', 0),
        ('call_max_length', '', '100', 0), ('default_timezone', '', '49', 0);
    INSERT INTO cron_settings (name, command, status, file_path) VALUES
        ('Generate Invoice', 'days', 0, ''), ('Manage Services', 'days', 0, '');
    INSERT INTO accounts (id, number, type) VALUES (1, 'admin', -1);
    INSERT INTO invoice_conf (accountid, company_name, invoice_prefix, invoice_start_from, `interval`, notify_before_day)
        VALUES (1, 'Operator Ltd', 'OP_', 100, '14', 5);
"""


def statements():
    """Return the statements that create an ASTPP database, in order."""
    created = [create_table(name, notation) for name, notation in TABLES.items()]
    return ["SET sql_mode = ''", *created, *(line.strip() for line in SEED.split(";\n") if line.strip())]


def create_table(name, notation):
    """Return CREATE TABLE for a table in the notation above."""
    columns, *keys = [part.strip() for part in notation.split(";")]
    parts = [_column(column.strip()) for column in re.split(r",\s*(?![^()\[\]]*[)\]])", columns)]
    for key in keys:
        kind, names = key.split(" ", 1)
        quoted = ", ".join(f"`{column}`" for column in names.split(","))
        parts.append({"PK": "PRIMARY KEY", "KEY": "KEY", "UNIQUE": "UNIQUE KEY"}[kind] + f" ({quoted})")
    charset = "latin1" if name == "refill_coupon" else "utf8mb3"
    return f"CREATE TABLE `{name}` ({', '.join(parts)}) ENGINE=InnoDB DEFAULT CHARSET={charset}"


def _column(text):
    name, kind, rest = re.fullmatch(r"(\w+) ((?:enum\([^)]*\)|[\w]+(?:\([\d,]+\))?))\s*(.*)", text).groups()
    sql = TYPES.get(kind) or re.sub(r"^vc", "varchar", re.sub(r"^d\(", "decimal(", kind))
    if kind == "ts":
        return f"`{name}` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()"
    if kind == "ts0":
        return f"`{name}` timestamp NOT NULL DEFAULT '0000-00-00 00:00:00'"
    if "AI" in rest:
        return f"`{name}` {sql} NOT NULL AUTO_INCREMENT"
    default = re.search(r"\[(.*)\]", rest)
    null = "NULL" if rest.startswith("NULL") else "NOT NULL"
    return f"`{name}` {sql} {null}" + (f" DEFAULT {NEVER.get(default[1], default[1])}" if default else "")
