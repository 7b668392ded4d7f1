"""Readers of ASTPP's tables: they make the typed records of ``records``.

A row that cannot become a record is rejected with its reason, and the others go on.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from .call_record import clean
from .database import ConnectorError, Database, Value
from .open_items import read_invoiced_until
from .records import Account, Coupon, Did, Issuer, Order, Payment, Product, ResellerPrice, Tax
from .rows import Reject, Row, datetime_or_none, records
from .schema import TABLES, missing_columns, select
from .time_zones import read_zones, zone_in
from .writer import MARK

ACCOUNT_TYPES = {0: "customer", 1: "reseller", 3: "provider", 5: "customer"}
CATEGORIES = {1: "package", 2: "subscription", 3: "topup", 4: "did"}


def _rows(database: Database, table: str, where: str = "", parameters: Sequence[object] | None = None) -> Iterator[Row]:
    """Yield a table's rows."""
    columns = select(table, missing=missing_columns(database, table))
    names = TABLES[table].split()
    for row in database.rows(f"SELECT {columns} FROM `{table}` {where}", parameters):
        yield Row(zip(names, row, strict=True))


def _lookup(database: Database, table: str, column: str) -> dict[int, Value]:
    """Return {id: value of a column} of a small table."""
    return {int(key): value for key, value in database.rows(f"SELECT id, `{column}` FROM `{table}`")}


def read_accounts(database: Database, reject: Reject) -> Iterator[Account]:
    """Yield customers, resellers and providers by id, deleted ones included."""
    currencies = _lookup(database, "currency", "currency")
    zones = read_zones(database)
    countries = _lookup(database, "countrycode", "iso")
    invoiced = read_invoiced_until(database)
    taxes: dict[int, set[int]] = defaultdict(set)
    for account_id, tax_id in database.rows("SELECT accountid, taxes_id FROM taxes_to_accounts"):
        taxes[int(account_id or 0)].add(int(tax_id or 0))

    def make(row: Row) -> Account:
        company = clean(row["company_name"])
        person = " ".join(filter(None, (clean(row["first_name"]), clean(row["last_name"]))))
        day = row.number("invoice_day")
        country = clean(countries.get(row.number("country_id")))
        offset = zones.get(row.number("timezone_id"))
        zone = zone_in(offset, country)
        return Account(
            id=int(row["id"]),
            number=clean(row["number"]) or f"#{row['id']}",
            parent_id=row.number("reseller_id"),
            account_type=ACCOUNT_TYPES[row.number("type")],
            active=row.yes("status"),
            deleted=row.number("deleted") == 1,
            postpaid=row.number("posttoexternal") == 1,
            cycle_unit="day" if row.number("sweep_id") == 0 else "month",
            billing_day=day if 1 <= day <= 31 else 1,
            invoice_enabled=row.yes("generate_invoice"),
            created=datetime_or_none(row["creation"]),
            billed_until=invoiced.get(int(row["id"])) or datetime_or_none(row["last_bill_date"]),
            timezone=zone,
            zone_unclear=offset is not None and zone is None,
            currency=clean(currencies.get(row.number("currency_id"))),
            name=company or person or clean(row["number"]) or f"#{row['id']}",
            company=company,
            email=clean(row["notification_email"]) or clean(row["email"]),
            phone=clean(row["telephone_1"]),
            street=clean(row["address_1"]),
            street2=clean(row["address_2"]),
            zip=clean(row["postal_code"]),
            city=clean(row["city"]),
            country=country,
            tax_number=clean(row["tax_number"]),
            tax_ids=tuple(sorted(taxes.get(int(row["id"]), ()))),
            commission_based=row.number("is_distributor") == 1,
            credit_limit=row.amount("credit_limit"),
            available=_available(row),
        )

    return records(_rows(database, "accounts", "WHERE type IN (0, 1, 3, 5) ORDER BY id"), make, reject)


def _available(row: Row) -> Decimal:
    """Return what an account may still spend (ASTPP facts 3.2)."""
    balance = row.amount("balance")
    return row.amount("credit_limit") - balance if row.number("posttoexternal") == 1 else balance


def read_issuers(database: Database, reject: Reject) -> Iterator[Issuer]:
    """Yield invoice profiles; of an account's several profiles the first one counts."""
    last = {
        int(reseller or 0): int(highest or 0)
        for reseller, highest in database.rows(
            "SELECT reseller_id, MAX(CAST(`number` AS UNSIGNED)) FROM invoices GROUP BY reseller_id"
        )
    }
    first: dict[str | None, Row] = {}
    for row in _rows(database, "invoice_conf", "ORDER BY id"):
        first.setdefault(row["accountid"], row)

    def make(row: Row) -> Issuer:
        account_id = row.number("accountid")
        owner = 0 if account_id == 1 else account_id
        days = row["interval"]
        return Issuer(
            account_id=account_id,
            name=clean(row["company_name"]),
            prefix=clean(row["invoice_prefix"]) or "INV_",
            first_number=max(1, row.number("invoice_start_from"), last.get(owner, 0) + 1),
            # The column is text and holds whatever somebody typed.
            due_days=int(days) if days and days.isdecimal() and 0 < int(days) < 10000 else 7,
            note=clean(row["invoice_note"]),
            tax_number=clean(row["invoice_taxes_number"]),
            street=clean(row["address"]),
            city=clean(row["city"]),
            zip=clean(row["zipcode"]),
            email=clean(row["emailaddress"]),
            phone=clean(row["telephone"]),
            website=clean(row["website"]),
            notify_days=row.number("notify_before_day"),
        )

    name = "Invoice profile of the account with the ID {accountid}"
    return records(first.values(), make, reject, name, "accountid")


def read_products(database: Database, reject: Reject) -> Iterator[Product]:
    """Yield products but for DIDs: ``read_dids`` reads these."""
    prefixes = _read_prefixes(database)

    def make(row: Row) -> Product:
        return Product(
            id=int(row["id"]),
            name=clean(row["name"]) or f"#{row['id']}",
            category=CATEGORIES.get(row.number("product_category"), "subscription"),
            price=row.amount("price"),
            setup_fee=row.amount("setup_fee"),
            recurring=row.number("billing_type") == 1,
            billing_days=row.number("billing_days"),
            free_minutes=row.number("free_minutes"),
            direction={0: "inbound", 1: "outbound"}.get(row.number("applicable_for"), "both"),
            release_without_funds=row.yes("release_no_balance"),
            can_purchase=row.yes("can_purchase"),
            can_resell=row.yes("can_resell"),
            active=row.yes("status") and row.number("is_deleted") == 0,
            commission=row.amount("commission"),
            prefixes=tuple(prefixes.get(int(row["id"]), {}).items()),
        )

    return records(
        _rows(database, "products", "WHERE product_category <> 4 ORDER BY id"), make, reject, "Product with the ID {id}"
    )


def _read_prefixes(database: Database) -> dict[int, dict[str, str | None]]:
    """Return {products.id: {prefix: destination}} of packages; {} when the user may not read them."""
    prefixes: dict[int, dict[str, str | None]] = defaultdict(dict)
    try:
        rows = list(database.rows("SELECT product_id, patterns, destination FROM package_patterns ORDER BY id"))
    except ConnectorError:
        return prefixes
    for product_id, pattern, destination in rows:
        prefix = (clean(pattern) or "").removeprefix("^").removesuffix(".*")
        if prefix.isdecimal():
            prefixes[int(product_id or 0)].setdefault(prefix, clean(destination))
    return prefixes


def read_reseller_prices(database: Database, reject: Reject) -> Iterator[ResellerPrice]:
    """Yield resellers' prices of products that they have chosen to sell."""

    def make(row: Row) -> ResellerPrice:
        return ResellerPrice(
            row.number("product_id"), row.number("account_id"), row.amount("price"), row.amount("setup_fee")
        )

    rows = _rows(database, "reseller_products", "WHERE is_optin = 0 AND status = 0")
    name = "Price of the account with the ID {account_id} for the product with the ID {product_id}"
    return records(rows, make, reject, name, "product_id")


def read_orders(database: Database, reject: Reject) -> Iterator[Order]:
    """Yield orders, each with its one item."""
    statement = f"""
        SELECT o.id, o.order_id, o.parent_order_id, o.order_date, o.payment_status, {select("order_items", "i")}
          FROM order_items i JOIN orders o ON o.id = i.order_id ORDER BY i.id
    """
    of_order = ["orders_id", "public", "parent_order_id", "order_date", "payment_status"]
    names = [*of_order, *select("order_items").replace("`", "").split(", ")]

    def make(row: Row) -> Order:
        quantity = max(1, row.number("quantity"))
        return Order(
            id=int(row["orders_id"]),
            item_id=int(row["id"]),
            number=clean(row["public"]) or str(row["orders_id"]),
            account_id=row.number("accountid"),
            product_id=row.number("product_id"),
            category=CATEGORIES.get(row.number("product_category"), "subscription"),
            quantity=quantity,
            price=row.amount("price") / quantity,
            setup_fee=row.amount("setup_fee") / quantity,
            recurring=row.number("billing_type") == 1,
            billing_days=row.number("billing_days"),
            free_minutes=row.number("free_minutes"),
            start=row.date("billing_date") or row.date("order_date"),
            period_end=row.date("next_billing_date"),
            terminated=row.number("is_terminated") == 1,
            end=row.date("termination_date"),
            note=clean(row["termination_note"]),
            paid=row["payment_status"] == "PAID",
            failed=row["payment_status"] == "FAIL",
            parent_id=row.number("parent_order_id"),
        )

    rows = (Row(zip(names, values, strict=True)) for values in database.rows(statement))
    return records(rows, make, reject)


def read_order_ids(database: Database) -> set[int]:
    """Return the ids of all items of orders, also of those that cannot become records."""
    return {int(key) for (key,) in database.rows("SELECT i.id FROM order_items i JOIN orders o ON o.id = i.order_id")}


def read_dids(database: Database, reject: Reject) -> Iterator[Did]:
    """Yield the inventory of numbers; the price is the product's, because ``dids.monthlycost`` is stale."""
    countries = _lookup(database, "countrycode", "iso")
    prices = {
        int(key): Decimal(price or 0)
        for key, price in database.rows("SELECT id, price FROM products WHERE product_category = 4")
    }

    def make(row: Row) -> Did:
        product_id = row.number("product_id")
        return Did(
            id=int(row["id"]),
            number=clean(row["number"]) or f"#{row['id']}",
            account_id=row.number("accountid"),
            reseller_id=row.number("parent_id"),
            provider_id=row.number("provider_id"),
            country=clean(countries.get(row.number("country_id"))),
            city=clean(row["city"]),
            price=prices.get(product_id, row.amount("monthlycost")),
            product_id=product_id,
            active=row.yes("status"),
        )

    return records(_rows(database, "dids", "ORDER BY id"), make, reject)


def read_coupons(database: Database, reject: Reject) -> Iterator[Coupon]:
    """Yield refill coupons."""
    currencies = _lookup(database, "currency", "currency")

    def make(row: Row) -> Coupon:
        return Coupon(
            id=int(row["id"]),
            number=clean(row["number"]) or f"#{row['id']}",
            amount=row.amount("amount"),
            currency=clean(currencies.get(row.number("currency_id"))),
            state={0: "unused", 1: "inactive", 2: "used"}.get(row.number("status"), "expired"),
            account_id=row.number("account_id"),
            reseller_id=row.number("reseller_id"),
            used=row.date("firstused"),
            created=row.date("creation_date"),
            description=clean(row["description"]),
        )

    return records(_rows(database, "refill_coupon", "ORDER BY id"), make, reject)


def read_payments(database: Database, after_id: int, since: str | None, reject: Reject) -> Iterator[Payment]:
    """Yield payments and charges of payment_transaction with an id above ``after_id``; none that Odoo wrote.

    :param since: UTC text; rows made from there on, None for all
    """

    def make(row: Row) -> Payment:
        return Payment(
            id=int(row["id"]),
            account_id=row.number("accountid"),
            amount=row.amount("amount"),
            method=clean(row["payment_method"]),
            transaction=clean(row["transaction_id"]),
            date=row.date("date"),
        )

    # The keys of what Odoo writes are no payments (ASTPP facts 1.15).
    where = "WHERE id > %s AND (%s IS NULL OR `date` >= %s) AND transaction_id NOT LIKE %s ORDER BY id"
    rows = _rows(database, "payment_transaction", where, (after_id, since, since, f"{MARK}%"))
    return records(rows, make, reject)


def read_taxes(database: Database, reject: Reject) -> Iterator[Tax]:
    """Yield taxes of any status: ASTPP's own invoices ignore it."""

    def make(row: Row) -> Tax:
        return Tax(
            int(row["id"]),
            clean(row["taxes_description"]) or f"Tax {row['id']}",
            row.amount("taxes_rate"),
            row.amount("taxes_amount"),
        )

    return records(_rows(database, "taxes", "ORDER BY id"), make, reject, "Tax with the ID {id}")
