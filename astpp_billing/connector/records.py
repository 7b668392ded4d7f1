"""What ASTPP's tables say, as typed records; ``readers`` makes them.

Flags are the right way round here (True = yes, where ASTPP often has 0 for yes), amounts are Decimals in the server's
base currency, times are naive UTC text ``YYYY-MM-DD HH:MM:SS`` or None, text has no HTML entities.
Passwords, pins and gateway answers are never read.
"""

from decimal import Decimal
from typing import NamedTuple


class Account(NamedTuple):
    id: int
    number: str
    parent_id: int
    """accounts.id of the reseller above, 0 for none"""
    account_type: str
    active: bool
    deleted: bool
    postpaid: bool
    cycle_unit: str
    """day or month"""
    billing_day: int
    """1 to 31; what ASTPP stores otherwise (a year number) becomes 1"""
    invoice_enabled: bool
    created: str | None
    billed_until: str | None
    """last second that ASTPP has billed, None when it never billed the account"""
    timezone: str | None
    """IANA name"""
    zone_unclear: bool
    """its offset and country do not tell the time zone"""
    currency: str | None
    name: str
    company: str | None
    email: str | None
    phone: str | None
    street: str | None
    street2: str | None
    zip: str | None
    city: str | None
    country: str | None
    """ISO code"""
    tax_number: str | None
    tax_ids: tuple[int, ...]
    """taxes.id"""
    commission_based: bool
    """resellers: sells at the parent's prices for a commission"""
    credit_limit: Decimal
    available: Decimal
    """funds left: the balance of a prepaid account, what is left of a postpaid one's credit limit"""


class Issuer(NamedTuple):
    account_id: int
    """accounts.id of the reseller, 1 for the operator"""
    name: str | None
    prefix: str
    first_number: int
    """the number after ASTPP's last one"""
    due_days: int
    note: str | None
    tax_number: str | None
    street: str | None
    city: str | None
    zip: str | None
    email: str | None
    phone: str | None
    website: str | None
    notify_days: int


class Product(NamedTuple):
    id: int
    name: str
    category: str
    price: Decimal
    setup_fee: Decimal
    recurring: bool
    billing_days: int
    """0: not renewed in practice"""
    free_minutes: int
    direction: str
    """inbound, outbound or both: what a package covers"""
    release_without_funds: bool
    can_purchase: bool
    can_resell: bool
    active: bool
    commission: Decimal
    """percent"""
    prefixes: tuple[tuple[str, str | None], ...]
    """(prefix, destination) that a package covers"""


class ResellerPrice(NamedTuple):
    product_id: int
    account_id: int
    price: Decimal
    setup_fee: Decimal


class Order(NamedTuple):
    """One orders + order_items pair."""

    id: int
    """orders.id"""
    item_id: int
    """order_items.id"""
    number: str
    account_id: int
    product_id: int
    category: str
    quantity: int
    price: Decimal
    """per period and piece; ASTPP's column is for all pieces"""
    setup_fee: Decimal
    """per piece"""
    recurring: bool
    billing_days: int
    free_minutes: int
    start: str | None
    period_end: str | None
    """last second of the paid period"""
    terminated: bool
    end: str | None
    note: str | None
    paid: bool
    failed: bool
    """its payment failed: nothing was sold"""
    parent_id: int
    """orders.id of the order of the reseller above that belongs to the same sale, 0 for none"""


class Did(NamedTuple):
    id: int
    number: str
    account_id: int
    """owner, 0 when free"""
    reseller_id: int
    provider_id: int
    country: str | None
    city: str | None
    price: Decimal
    product_id: int
    active: bool


class Charge(NamedTuple):
    """A row of invoice_details that is a real charge or credit (ASTPP facts 5.7 and 9)."""

    id: int
    account_id: int
    date: str
    charge_type: str
    amount: Decimal
    """debit minus credit"""
    description: str | None
    product_id: int
    """products.id through the order, 0 when there is none"""
    order_item_id: int
    """order_items.id through the order, 0 when there is none"""
    invoiced: bool
    """on an invoice of ASTPP's own"""
    known_type: bool


class Coupon(NamedTuple):
    id: int
    number: str
    amount: Decimal
    currency: str | None
    state: str
    """unused, inactive, used or expired"""
    account_id: int
    reseller_id: int
    used: str | None
    created: str | None
    description: str | None


class Payment(NamedTuple):
    id: int
    account_id: int
    amount: Decimal
    method: str | None
    transaction: str | None
    date: str | None


class OpenInvoice(NamedTuple):
    """A confirmed invoice of ASTPP's own whose lines and payments do not cancel out (ASTPP facts 5.6)."""

    id: int
    account_id: int
    number: str
    """prefix and number, as printed"""
    date: str | None
    due: str | None
    total: Decimal
    """with taxes"""
    paid: Decimal


class Funds(NamedTuple):
    """What a prepaid account has left."""

    account_id: int
    number: str
    amount: Decimal
    """negative when it has overspent"""


class Tax(NamedTuple):
    id: int
    name: str
    rate: Decimal
    """percent"""
    flat: Decimal
    """amount added to each invoice, base currency"""
