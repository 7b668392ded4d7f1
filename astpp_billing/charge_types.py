"""The types of charges: one table, from which fields, domains and the connector's mappings are derived."""

from typing import Literal, NamedTuple


class ChargeType(NamedTuple):
    """One type of the ledger's lines."""

    name: str
    """the technical name, as the ledger keeps it"""
    label: str
    kind: Literal["call", "sale", "charge", "credit", "funds"]
    """call; sale: the product says what was bought; charge: any other; credit; funds: money that only moves"""
    words: tuple[str, ...] = ()
    """ASTPP's words: cdrs.calltype of a call (ASTPP facts 2.4), invoice_details.charge_type of anything else"""
    product_type: str | None = None
    """the type of the products whose renewals are such charges"""


# Invoices list them in this order.
CHARGE_TYPES = (
    ChargeType("standard", "Calls", "call", ("STANDARD",)),
    ChargeType("did", "DID Calls", "call", ("DID",)),
    ChargeType("local", "Internal Calls", "call", ("LOCAL",)),
    ChargeType("calling_card", "Calling Card Calls", "call", ("CALLINGCARD",)),
    ChargeType("free", "Package Calls", "call", ("FREE",)),
    ChargeType("fax", "Faxes", "call", ("FAX",)),
    ChargeType("broadcast", "Broadcast Calls", "call", ("BROADCAST",)),
    ChargeType("unknown", "Other Calls", "call"),
    ChargeType("package", "Packages", "sale", ("PACKAGE",), "package"),
    ChargeType("subscription", "Subscriptions", "sale", ("SUBSCRIPTION",), "subscription"),
    ChargeType("did_fee", "DID Numbers", "sale", ("DID",), "did"),
    ChargeType("setup", "Setup Fees", "sale"),
    ChargeType("topup", "Top-ups", "funds", ("REFILL",)),
    ChargeType("voucher", "Refill Coupons", "funds", ("VOUCHER",)),
    # Lines that somebody typed into an invoice of ASTPP have no type.
    ChargeType("charge", "Other Charges", "charge", ("POSTCHARGE", "POST_CHARGE", "")),
    ChargeType("credit", "Credits", "credit"),
    ChargeType("commission", "Commissions", "credit", ("COMMISSION",)),
    ChargeType("transfer", "Fund Transfers", "funds", ("FUNDTRANSFER",)),
)


def _names(*kinds: str) -> tuple[str, ...]:
    return tuple(each.name for each in CHARGE_TYPES if each.kind in kinds)


SELECTION = [(each.name, each.label) for each in CHARGE_TYPES]
# {type: its place on an invoice}
ORDER = {each.name: place for place, each in enumerate(CHARGE_TYPES)}

CALLS = _names("call")
# Charges whose product says what was bought.
SOLD = _names("sale")
FEES = _names("sale", "charge")
# Nothing is sold, so nothing is taxed.
FUNDS = _names("funds")
# What prepaid funds are spent on.
CONSUMPTION = _names("call", "sale", "charge")

# {type of a product that renews: the type of its periods' charges}
RENEWALS = {each.product_type: each.name for each in CHARGE_TYPES if each.product_type}
# Types of products that are ordered once, and charged by period or once.
SUBSCRIBED = tuple(RENEWALS)

# {ASTPP's word: type}
CALL_WORDS = {word: each.name for each in CHARGE_TYPES if each.kind == "call" for word in each.words}
CHARGE_WORDS = {word: each.name for each in CHARGE_TYPES if each.kind != "call" for word in each.words}
