"""Readers of ASTPP's tables: rows to the typed records of ``records``."""

from collections import defaultdict
from decimal import Decimal, InvalidOperation

from .call_record import clean
from .database import ConnectorError, datetime_or_none
from .records import Account, Coupon, Did, Issuer, Order, Payment, Product, ResellerPrice, Tax
from .schema import select

ACCOUNT_TYPES = {0: "customer", 1: "reseller", 3: "provider", 5: "customer"}
CATEGORIES = {1: "package", 2: "subscription", 3: "topup", 4: "did"}


def number(value):
    """Return an int; ASTPP's '' and NULL are 0."""
    try:
        return int(value or 0)
    except ValueError:
        return 0


def amount(value):
    """Return a Decimal; what is no amount is 0."""
    try:
        return Decimal(value or 0)
    except InvalidOperation:
        return Decimal(0)


def yes(value):
    """Read an inverted flag: 0 = yes (ASTPP facts 1.1)."""
    return number(value) == 0


def _rows(database, table, where="", parameters=None):
    """Yield a table's rows as dicts of cleaned text."""
    columns = select(table)
    names = [column.strip("` ") for column in columns.split(",")]
    for row in database.rows(f"SELECT {columns} FROM `{table}` {where}", parameters):
        yield dict(zip(names, row, strict=True))


def _lookup(database, table, column):
    return {int(key): value for key, value in database.rows(f"SELECT id, `{column}` FROM `{table}`")}


def read_accounts(database):
    """Yield customers, resellers and providers, deleted ones included, parents by id."""
    currencies = _lookup(database, "currency", "currency")
    zones = _lookup(database, "timezone", "timezone_name")
    countries = _lookup(database, "countrycode", "iso")
    taxes = defaultdict(set)
    for account_id, tax_id in database.rows("SELECT accountid, taxes_id FROM taxes_to_accounts"):
        taxes[number(account_id)].add(number(tax_id))
    for row in _rows(database, "accounts", "WHERE type IN (0, 1, 3, 5) ORDER BY id"):
        company = clean(row["company_name"])
        person = " ".join(filter(None, (clean(row["first_name"]), clean(row["last_name"]))))
        day = number(row["invoice_day"])
        yield Account(
            id=int(row["id"]),
            number=clean(row["number"]) or f"#{row['id']}",
            parent_id=number(row["reseller_id"]),
            account_type=ACCOUNT_TYPES[number(row["type"])],
            active=yes(row["status"]),
            deleted=number(row["deleted"]) == 1,
            postpaid=number(row["posttoexternal"]) == 1,
            cycle_unit="day" if number(row["sweep_id"]) == 0 else "month",
            billing_day=day if 1 <= day <= 31 else 1,
            invoice_enabled=yes(row["generate_invoice"]),
            created=datetime_or_none(row["creation"]),
            last_bill_date=datetime_or_none(row["last_bill_date"]),
            timezone=clean(zones.get(number(row["timezone_id"]))),
            currency=clean(currencies.get(number(row["currency_id"]))),
            name=company or person or clean(row["number"]) or f"#{row['id']}",
            company=company,
            email=clean(row["notification_email"]) or clean(row["email"]),
            phone=clean(row["telephone_1"]),
            street=clean(row["address_1"]),
            street2=clean(row["address_2"]),
            zip=clean(row["postal_code"]),
            city=clean(row["city"]),
            country=clean(countries.get(number(row["country_id"]))),
            tax_number=clean(row["tax_number"]),
            tax_ids=tuple(sorted(taxes.get(int(row["id"]), ()))),
            commission_based=number(row["is_distributor"]) == 1,
            credit_limit=amount(row["credit_limit"]),
            available=_available(row),
        )


def _available(row):
    """Return what an account may still spend (ASTPP facts 3.2)."""
    balance = amount(row["balance"])
    return amount(row["credit_limit"]) - balance if number(row["posttoexternal"]) == 1 else balance


def read_issuers(database):
    """Yield invoice profiles; of several for one account the first one counts."""
    last = {
        number(reseller): number(highest)
        for reseller, highest in database.rows(
            "SELECT reseller_id, MAX(CAST(`number` AS UNSIGNED)) FROM invoices GROUP BY reseller_id"
        )
    }
    seen = set()
    for row in _rows(database, "invoice_conf", "ORDER BY id"):
        account_id = number(row["accountid"])
        if account_id in seen:
            continue
        seen.add(account_id)
        owner = 0 if account_id == 1 else account_id
        yield Issuer(
            account_id=account_id,
            name=clean(row["company_name"]),
            prefix=clean(row["invoice_prefix"]) or "INV_",
            first_number=max(1, number(row["invoice_start_from"]), last.get(owner, 0) + 1),
            due_days=number(row["interval"]) if number(row["interval"]) > 0 else 7,
            note=clean(row["invoice_note"]),
            tax_number=clean(row["invoice_taxes_number"]),
            street=clean(row["address"]),
            city=clean(row["city"]),
            zip=clean(row["zipcode"]),
            email=clean(row["emailaddress"]),
            phone=clean(row["telephone"]),
            website=clean(row["website"]),
            notify_days=number(row["notify_before_day"]),
        )


def read_products(database):
    """Yield products; DIDs are products too, and left to ``read_dids``."""
    prefixes = _read_prefixes(database)
    for row in _rows(database, "products", "WHERE product_category <> 4 ORDER BY id"):
        yield Product(
            id=int(row["id"]),
            name=clean(row["name"]) or f"#{row['id']}",
            category=CATEGORIES.get(number(row["product_category"]), "subscription"),
            price=amount(row["price"]),
            setup_fee=amount(row["setup_fee"]),
            recurring=number(row["billing_type"]) == 1,
            billing_days=number(row["billing_days"]),
            free_minutes=number(row["free_minutes"]),
            direction={0: "inbound", 1: "outbound"}.get(number(row["applicable_for"]), "both"),
            release_without_funds=yes(row["release_no_balance"]),
            can_purchase=yes(row["can_purchase"]),
            can_resell=yes(row["can_resell"]),
            active=yes(row["status"]) and number(row["is_deleted"]) == 0,
            commission=amount(row["commission"]),
            prefixes=tuple(prefixes.get(int(row["id"]), {}).items()),
        )


def _read_prefixes(database):
    """Return {products.id: {prefix: destination}} of packages; {} without right to read them."""
    prefixes = defaultdict(dict)
    try:
        rows = list(database.rows("SELECT product_id, patterns, destination FROM package_patterns ORDER BY id"))
    except ConnectorError:
        return prefixes
    for product_id, pattern, destination in rows:
        prefix = (clean(pattern) or "").removeprefix("^").removesuffix(".*")
        if prefix.isdecimal():
            prefixes[number(product_id)].setdefault(prefix, clean(destination))
    return prefixes


def read_reseller_prices(database):
    """Yield the prices of resellers who opted in."""
    for row in _rows(database, "reseller_products", "WHERE is_optin = 0 AND status = 0"):
        yield ResellerPrice(
            number(row["product_id"]), number(row["account_id"]), amount(row["price"]), amount(row["setup_fee"])
        )


def read_orders(database):
    """Yield orders with their one item."""
    statement = f"""
        SELECT o.id, o.order_id, o.order_date, o.payment_status, {select("order_items", "i")}
          FROM order_items i JOIN orders o ON o.id = i.order_id ORDER BY i.id
    """
    names = ["orders_id", "public", "order_date", "payment_status", *select("order_items").replace("`", "").split(", ")]
    for values in database.rows(statement):
        row = dict(zip(names, values, strict=True))
        quantity = max(1, number(row["quantity"]))
        yield Order(
            id=int(row["orders_id"]),
            item_id=int(row["id"]),
            number=clean(row["public"]) or str(row["orders_id"]),
            account_id=number(row["accountid"]),
            product_id=number(row["product_id"]),
            category=CATEGORIES.get(number(row["product_category"]), "subscription"),
            quantity=quantity,
            price=amount(row["price"]) / quantity,
            setup_fee=amount(row["setup_fee"]) / quantity,
            recurring=number(row["billing_type"]) == 1,
            billing_days=number(row["billing_days"]),
            free_minutes=number(row["free_minutes"]),
            start=datetime_or_none(row["billing_date"]) or datetime_or_none(row["order_date"]),
            period_end=datetime_or_none(row["next_billing_date"]),
            terminated=number(row["is_terminated"]) == 1,
            end=datetime_or_none(row["termination_date"]),
            note=clean(row["termination_note"]),
            paid=row["payment_status"] == "PAID",
        )


def read_dids(database):
    """Yield the inventory; the price is the product's, ``dids.monthlycost`` is stale."""
    countries = _lookup(database, "countrycode", "iso")
    prices = {
        number(key): amount(price)
        for key, price in database.rows("SELECT id, price FROM products WHERE product_category = 4")
    }
    for row in _rows(database, "dids", "ORDER BY id"):
        product_id = number(row["product_id"])
        yield Did(
            id=int(row["id"]),
            number=clean(row["number"]) or f"#{row['id']}",
            account_id=number(row["accountid"]),
            reseller_id=number(row["parent_id"]),
            provider_id=number(row["provider_id"]),
            country=clean(countries.get(number(row["country_id"]))),
            city=clean(row["city"]),
            price=prices.get(product_id, amount(row["monthlycost"])),
            product_id=product_id,
            active=yes(row["status"]),
        )


def read_coupons(database):
    """Yield refill coupons."""
    currencies = _lookup(database, "currency", "currency")
    for row in _rows(database, "refill_coupon", "ORDER BY id"):
        yield Coupon(
            id=int(row["id"]),
            number=clean(row["number"]) or f"#{row['id']}",
            amount=amount(row["amount"]),
            currency=clean(currencies.get(number(row["currency_id"]))),
            state={0: "unused", 1: "inactive", 2: "used"}.get(number(row["status"]), "expired"),
            account_id=number(row["account_id"]),
            reseller_id=number(row["reseller_id"]),
            used=datetime_or_none(row["firstused"]),
            created=datetime_or_none(row["creation_date"]),
            description=clean(row["description"]),
        )


def read_payments(database, after_id):
    """Yield payments and charges of payment_transaction with a higher id."""
    for row in _rows(database, "payment_transaction", "WHERE id > %s ORDER BY id", (after_id,)):
        yield Payment(
            id=int(row["id"]),
            account_id=number(row["accountid"]),
            amount=amount(row["amount"]),
            method=clean(row["payment_method"]),
            transaction=clean(row["transaction_id"]),
            date=datetime_or_none(row["date"]),
        )


def read_taxes(database):
    """Yield taxes; ASTPP ignores their status, and so do invoices made so far."""
    for row in _rows(database, "taxes", "ORDER BY id"):
        yield Tax(
            int(row["id"]),
            clean(row["taxes_description"]) or f"Tax {row['id']}",
            amount(row["taxes_rate"]),
            amount(row["taxes_amount"]),
        )
