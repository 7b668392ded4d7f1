"""What is written to ASTPP, in Odoo's words.

A change is declared once: which columns its fields go to, and in which form. What is written, stored in Odoo, read back,
shown and guarded follows from that, and so do the columns and privileges that a user needs.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self

from .balance import BalanceChange
from .row_change import Change, Form, RowChange, found_by, only_where, replacing, written

# Of these even what is not written is noted: see ``astpp.outbox``.
BALANCE_KINDS = ("credit", "charge", "payment")

# What says that a refill coupon is used, when and by whom (ASTPP facts 1.16).
COUPON_COLUMNS = ("status", "firstused", "account_id")

_MONEY = Form("{:.5f}".format, Decimal)
_FLAG = Form(int, bool)
# Accounts and numbers that are served have the status 0.
_SERVED = Form(lambda on: 1 - on, lambda status: not status)
# Paid periods begin and end so (ASTPP facts 1.9).
_FIRST_DAY = Form("{} 00:00:01".format, lambda text: date.fromisoformat(text[:10]))
_LAST_DAY = Form("{} 23:59:59".format, lambda text: date.fromisoformat(text[:10]))
_MOMENT = Form("{:%Y-%m-%d %H:%M:%S}".format, datetime.fromisoformat)
_NOTE = Form(lambda text: text[:255], str)


@dataclass(frozen=True, kw_only=True)
class OrderTerms(Change):
    """What an order is for, and at which price, from now on."""

    kind = "order"
    table = "order_items"

    item_id: int = found_by("id")
    product_id: int | None = written("product_id", default=None)
    """None: a number, which is a product of its own in ASTPP"""
    quantity: int = written("quantity")
    price: Decimal = written("price", _MONEY)
    """of all pieces, base currency"""
    free_minutes: int | None = written("free_minutes", default=None)


@dataclass(frozen=True, kw_only=True)
class OrderPeriod(OrderTerms):
    """A period that was renewed, with its terms (ASTPP facts 4.3)."""

    first: date = written("billing_date", _FIRST_DAY)
    last: date | None = written("next_billing_date", _LAST_DAY, default=None)
    """its last day"""


@dataclass(frozen=True, kw_only=True)
class OrderEnd(Change):
    """An order that has ended (ASTPP facts 4.4)."""

    kind = "order"
    table = "order_items"
    fixed = {"is_terminated": 1}

    item_id: int = found_by("id")
    moment: datetime = written("termination_date", _MOMENT)
    """naive UTC"""
    note: str = written("termination_note", _NOTE)
    """cut to 255 characters"""


@dataclass(frozen=True, kw_only=True)
class OrderState(Change):
    """How far an order is paid, and whether it has ended: compared, never written so."""

    kind = "order"
    table = "order_items"

    item_id: int = found_by("id")
    last: date | None = written("next_billing_date", _LAST_DAY, default=None)
    ended: bool = written("is_terminated", _FLAG)


@dataclass(frozen=True, kw_only=True)
class MinutesReset(Change):
    """An order's included minutes begin anew. A counter is made by the first call, and may be missing."""

    kind = "order"
    table = "counters"
    fixed = {"used_seconds": 0}

    account_id: int = found_by("accountid")
    order_id: int = found_by("package_id")
    """orders.id"""


@dataclass(frozen=True, kw_only=True)
class NumberOwner(Change):
    """The customer who has a number; ASTPP keeps the reseller's hold on it apart (ASTPP facts 1.11)."""

    kind = "did"
    table = "dids"

    did_id: int = found_by("id")
    account_id: int = written("accountid")
    """0: nobody"""
    holders: tuple[int, ...] = replacing("accountid")
    """who may have it until then"""


@dataclass(frozen=True, kw_only=True)
class NumberReseller(Change):
    """The reseller who holds a number."""

    kind = "did"
    table = "dids"

    did_id: int = found_by("id")
    account_id: int = written("parent_id")
    """0: nobody"""
    holders: tuple[int, ...] = replacing("parent_id")
    """who may hold it until then"""


@dataclass(frozen=True, kw_only=True)
class NumberTaken(Change):
    """A number that a customer has no longer; its calls are forwarded nowhere, as ASTPP releases it (ASTPP facts 4.4)."""

    kind = "did"
    table = "dids"
    fixed = {
        "accountid": 0,
        "extensions": "",
        **{
            column: value
            for case in ("always", "user_busy", "user_not_registered", "no_answer")
            for column, value in ((case, 0), (f"{case}_destination", ""))
        },
        "failover_extensions": "",
    }

    did_id: int = found_by("id")
    holders: tuple[int, ...] = replacing("accountid")
    """who may have it until then"""


@dataclass(frozen=True, kw_only=True)
class AccountIs(Change):
    """Nothing is written, but the changes that come with it are made only if the account is served, or is not."""

    kind = "account"
    table = "accounts"

    account_id: int = found_by("id")
    number: str = found_by("number")
    active: bool = only_where("status", _SERVED)


@dataclass(frozen=True, kw_only=True)
class AccountSwitches(Change):
    """Whether an account is served, and how much it may owe; None: as it is."""

    kind = "account"
    table = "accounts"

    account_id: int = found_by("id")
    number: str = found_by("number")
    active: bool | None = written("status", _SERVED, default=None)
    credit_limit: Decimal | None = written("credit_limit", _MONEY, default=None)
    """base currency"""

    def since(self, before: Self) -> Self | None:
        """Return what differs from before, None when nothing does."""
        active = self.active if self.active != before.active else None
        credit_limit = self.credit_limit if self.credit_limit != before.credit_limit else None
        if active is None and credit_limit is None:
            return None
        return replace(self, active=active, credit_limit=credit_limit)


@dataclass(frozen=True, kw_only=True)
class NumberSwitch(Change):
    """A number that is switched off with its owner, or on again; passed over when it is so already, or somebody else's."""

    kind = "account"
    table = "dids"

    did_id: int = found_by("id")
    owner_id: int | None = only_where("accountid", default=None)
    """accounts.id; None: whoever has it"""
    on: bool = written("status", _SERVED)

    def row(self) -> RowChange:
        """Return the change as what is written."""
        row = super().row()
        return row._replace(only=row.only | {"status": _SERVED.write(not self.on)})


@dataclass(frozen=True, kw_only=True)
class InvoicingOff(Change):
    """An account that ASTPP does not invoice (ASTPP facts 3.3)."""

    kind = "invoicing"
    table = "accounts"
    fixed = {"generate_invoice": 1}

    account_id: int = found_by("id")
    number: str = found_by("number")


# A stored change is the first one of these that fits.
CHANGES: tuple[type[Change], ...] = (
    *(OrderTerms, OrderPeriod, OrderEnd, MinutesReset),
    *(NumberOwner, NumberReseller, NumberTaken),
    *(AccountIs, AccountSwitches, NumberSwitch),
    InvoicingOff,
)
ROW_KINDS = tuple(dict.fromkeys(change.kind for change in CHANGES))
KINDS = (*BALANCE_KINDS, *ROW_KINDS)


def read(stored: dict[str, Any]) -> Change:
    """Return the change that ``Change.stored`` made a dict of.

    :raise KeyError: when it is no such dict
    :raise ValueError: when no change writes such columns
    """
    row = RowChange(
        stored["table"], stored["match"], stored["values"], stored.get("expected", {}), stored.get("only", {})
    )
    for change in CHANGES:
        if change.fits(row):
            return change.from_row(row)
    raise ValueError(f"No change writes {', '.join(row.values) or 'nothing'} in the table {row.table}.")


def shown(stored: list[dict[str, Any]], before: list[dict[str, str]]) -> str:
    """Return stored changes for people, a line a value, with what it replaced.

    :param before: {column: text} of each row, or fewer when it is not known
    """
    return "\n".join(
        f"{column}: {before[index].get(column, '–')} → {value}" if index < len(before) else f"{column}: {value}"
        for index, row in enumerate(stored)
        for column, value in row["values"].items()
    )


def writable(*kinds: str) -> dict[str, tuple[str, ...]]:
    """Return what changes of these kinds update, as {table: columns}."""
    columns: dict[str, dict[str, None]] = {}
    if set(kinds) & set(BALANCE_KINDS):
        columns[BalanceChange.table] = {BalanceChange.column: None}
    if "credit" in kinds:
        columns["refill_coupon"] = dict.fromkeys(COUPON_COLUMNS)
    for change in CHANGES:
        if change.kind in kinds and change.columns():
            columns.setdefault(change.table, {}).update(dict.fromkeys(change.columns()))
    return {table: tuple(names) for table, names in columns.items()}


# The only columns that are ever updated.
WRITABLE = writable(*KINDS)
