"""The tables and columns of ASTPP 4.0 to 6 that are read, and a check that they are there."""

import re
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from .database import ConnectorError, Database, Settings, TooSlowError, is_local

TABLES = {
    "accounts": "id number reseller_id status sweep_id creation posttoexternal first_name last_name company_name "
    "address_1 address_2 postal_code province city country_id telephone_1 email notification_email currency_id "
    "type timezone_id deleted invoice_day last_bill_date generate_invoice tax_number is_distributor credit_limit balance",
    "cdrs": "uniqueid accountid callerid callednum billseconds disposition callstart debit cost pattern notes rate_cost "
    "call_direction calltype package_id reseller_id",
    "reseller_cdrs": "uniqueid accountid callerid callednum billseconds disposition callstart debit cost pattern notes "
    "rate_cost call_direction calltype reseller_id",
    "invoice_details": "id accountid invoiceid order_item_id charge_type product_category description debit credit "
    "created_date is_tax payment_id",
    "invoices": "id reseller_id prefix number accountid from_date to_date due_date generate_date confirm is_deleted "
    "generate_type",
    "invoice_conf": "id accountid company_name address city province country zipcode telephone emailaddress website "
    "invoice_prefix invoice_start_from invoice_note no_usage_invoice interval notify_before_day invoice_taxes_number",
    "products": "id name description product_category price setup_fee billing_type billing_days free_minutes "
    "applicable_for release_no_balance can_purchase can_resell status is_deleted commission",
    "reseller_products": "product_id account_id price setup_fee status is_optin",
    "category": "id code",
    "orders": "id order_id parent_order_id order_date payment_status accountid",
    "order_items": "id order_id product_category product_id quantity price setup_fee billing_type billing_days "
    "free_minutes accountid billing_date next_billing_date is_terminated termination_date termination_note",
    "dids": "id number accountid parent_id monthlycost setup status provider_id country_id city product_id",
    "payment_transaction": "id accountid amount tax payment_method transaction_id date",
    "refill_coupon": "id number amount description status firstused account_id reseller_id currency_id creation_date",
    "taxes": "id taxes_amount taxes_rate taxes_description status",
    "taxes_to_accounts": "accountid taxes_id",
    "currency": "id currency",
    "timezone": "id timezone_name",
    "countrycode": "id iso",
    "sweeplist": "id sweep",
    "system": "id name value",
}
# A synchronisation does without these; the check says less then.
OPTIONAL_TABLES = {
    "cron_settings": "name status",
    "package_patterns": "product_id patterns destination",
    "counters": "id",
}

# Columns that came with later versions: 4.0 has neither these nor orders of counters, 4.0.1 no names of time zones.
OPTIONAL_COLUMNS = {
    "accounts": ("last_bill_date",),
    "timezone": ("timezone_name",),
    "invoices": ("confirm", "is_deleted", "generate_type"),
    "counters": ("package_id",),
}
SUPPORTED = ("4.", "5.", "6.")


class Finding(NamedTuple):
    """What a check found."""

    level: Literal["ok", "warning", "error"]
    text: str


def check(database: Database) -> list[Finding]:
    """Check an open database and return findings, errors first.

    They name the version and each table, column or privilege that is missing, and warn of ASTPP's own invoicing and
    renewal crons (ASTPP facts 1.18, 9).
    """
    findings: list[Finding] = []
    version = database.execute("SELECT VERSION()")[0][0]
    errors = [finding for table, columns in TABLES.items() for finding in _check_table(database, table, columns)]
    findings += errors + _check_encryption(database.settings)
    settings = {} if any("system" in error.text for error in errors) else system_settings(database)
    astpp = settings.get("version")
    if astpp and not f"{astpp}.".startswith(SUPPORTED):
        findings.append(Finding("warning", f"This is ASTPP {astpp}; versions 4.0 to 6 are supported."))
    findings += cron_findings(database).values()
    if not errors:
        findings += _check_calls(database) + _check_index(database)
    findings.append(Finding("ok", f"ASTPP {astpp or 'of unknown version'} on {version}."))
    order = {"error": 0, "warning": 1, "ok": 2}
    return sorted(findings, key=lambda finding: order[finding.level])


def system_settings(database: Database) -> dict[str, str | None]:
    """Return ASTPP's settings by name; of several rows of one name the last one counts (ASTPP facts 1.18)."""
    names = ("version", "base_currency", "automatic_invoice", "call_max_length", "default_timezone")
    rows = database.execute("SELECT name, value FROM `system` WHERE name IN %s ORDER BY id", (names,))
    return {row[0]: row[1] for row in rows}


def select(table: str, alias: str = "", missing: Collection[str] = ()) -> str:
    """Return a table's column list for SELECT, quoted: ``interval`` is a reserved word.

    :param missing: columns that this version lacks; they are read as NULL
    """
    prefix = f"{alias}." if alias else ""
    return ", ".join(
        f"NULL AS `{column}`" if column in missing else f"{prefix}`{column}`" for column in TABLES[table].split()
    )


def where(database: Database, table: str, wanted: Mapping[str, int], alias: str) -> str:
    """Return a condition on optional columns, {column: value}; those that this version lacks are not asked about."""
    missing = missing_columns(database, table)
    tests = [f"{alias}.`{column}` = {value:d}" for column, value in wanted.items() if column not in missing]
    return " AND ".join(tests) or "TRUE"


def missing_columns(database: Database, table: str) -> set[str]:
    """Return those of a table's optional columns that this version of ASTPP lacks."""
    if not (optional := OPTIONAL_COLUMNS.get(table)):
        return set()
    there = database.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = %s AND column_name IN %s",
        (table, optional),
    )
    return set(optional) - {str(column).lower() for (column,) in there}


def _check_encryption(settings: Settings) -> list[Finding]:
    """Warn where data cross a network unencrypted, or encrypted for a server that nobody has verified."""
    if is_local(settings.host) or settings.tls == "verify":
        return []
    text = (
        "The connection is not encrypted: whoever is between Odoo and the database reads all of it, and can answer in "
        "its place. Choose Encrypted, certificate checked."
        if settings.tls == "off"
        else "The connection is encrypted, but nobody looks with whom: whoever is between Odoo and the database can "
        "answer in its place, and be given the password. Choose Encrypted, certificate checked."
    )
    return [Finding("warning", text)]


def _check_table(database: Database, table: str, columns: str) -> list[Finding]:
    needed = [column for column in columns.split() if column not in OPTIONAL_COLUMNS.get(table, ())]
    try:
        database.execute(f"SELECT {', '.join(f'`{column}`' for column in needed)} FROM `{table}` LIMIT 0")
    except ConnectorError as error:
        named = re.search(r"(?:for column|Unknown column) '([^']+)'", error.detail)
        column = named[1] if named else "?"
        if error.code == 1143:
            return [Finding("error", f"The user lacks SELECT on the column {column} of the table {table}.")]
        if error.code == 1142:
            return [Finding("error", f"The user lacks SELECT on the table {table}.")]
        if error.code == 1054:
            return [Finding("error", f"The table {table} lacks the column {column}.")]
        if error.code == 1146:
            return [Finding("error", f"The table {table} is missing.")]
        raise
    return []


def cron_findings(database: Database) -> dict[str, Finding]:
    """Return warnings of ASTPP's own crons that would bill, by their names (ASTPP facts 1.18); "" when unknown."""
    try:
        rows = database.execute("SELECT name, status FROM cron_settings")
    except ConnectorError:
        text = (
            "The table cron_settings cannot be read, so nothing is known of ASTPP's own invoicing. Make sure that "
            "its Generate Invoice cron is off."
        )
        return {"": Finding("warning", text)}
    running = {name for name, status in rows if status == "0"}
    warnings = {
        "Generate Invoice": "ASTPP's own cron Generate Invoice is on: customers would be billed by ASTPP and by Odoo. "
        "Switch it off in ASTPP under Configuration, Cron settings.",
        "Manage Services": "ASTPP's own cron Manage Services is on: ASTPP renews products. That is right while "
        "renewals are ASTPP's here, and would charge twice if they were Odoo's.",
    }
    return {name: Finding("warning", text) for name, text in warnings.items() if name in running}


def _check_index(database: Database) -> list[Finding]:
    """Warn when ASTPP's index on the start of calls is missing: each hour that is read would be a scan of the table."""
    statement = """
        SELECT table_name FROM information_schema.statistics
         WHERE table_schema = DATABASE() AND column_name = 'callstart' AND seq_in_index = 1
    """
    indexed = {table for (table,) in database.execute(statement)}
    return [
        Finding("warning", f"The table {table} has no index that begins with callstart: reading it takes very long.")
        for table in ("cdrs", "reseller_cdrs")
        if table not in indexed
    ]


def _check_calls(database: Database) -> list[Finding]:
    """Warn of calls without a start, which no window of time contains."""
    try:
        count = sum(
            int(database.execute(f"SELECT COUNT(*) FROM {table} WHERE callstart < '2000-01-01'")[0][0])
            for table in ("cdrs", "reseller_cdrs")
        )
    except TooSlowError as error:
        if not error.code:
            raise
        return [Finding("warning", "Call records without a start could not be counted in time.")]
    return [Finding("warning", f"{count} call records have no start and are not synchronised.")] if count else []
