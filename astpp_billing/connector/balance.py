"""An account's balance in ASTPP, and what changes it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, NamedTuple, Self

from .row_change import Shown

# How a cause shows in ASTPP's ledger; all others by their sign.
_CHARGE_TYPES = {"topup": "REFILL", "topup-back": "POSTCHARGE", "coupon": "Voucher", "payment": "INVPAY"}


def kept(amount: float | Decimal) -> Decimal:
    """Return an amount as ASTPP keeps it: with five decimals."""
    return Decimal(f"{amount:.5f}")


class Balance(NamedTuple):
    """An account's balance as ASTPP keeps it: a prepaid account's money, a postpaid one's debt (ASTPP facts 3.2)."""

    amount: Decimal
    postpaid: bool
    credit_limit: Decimal = Decimal(0)

    def plus(self, gain: Decimal) -> Self:
        """Return the balance after the account gained something, or lost it when negative."""
        return self._replace(amount=self.amount - gain if self.postpaid else self.amount + gain)

    @property
    def funds(self) -> Decimal:
        """What can be spent: this is what ASTPP's ledger keeps (ASTPP facts 1.13)."""
        return self.credit_limit - self.amount if self.postpaid else self.amount


@dataclass(frozen=True, kw_only=True)
class BalanceChange:
    """What an account gains or loses, with a row of ASTPP's ledger."""

    table: ClassVar[str] = "accounts"
    column: ClassVar[str] = "balance"

    key: str
    """unique for ever: a change whose key ASTPP has is not made again; at most 45 characters"""
    account_id: int
    """accounts.id"""
    number: str
    """accounts.number: an ID alone may be anybody's"""
    amount: Decimal
    """added to the account's funds, base currency; negative = charge"""
    cause: str
    """topup, topup-back, coupon, payment, usage"""
    description: str
    currency: str
    """base currency's code"""
    coupon_id: int | None = None
    """refill_coupon.id of the coupon that is redeemed by it"""

    @property
    def charge_type(self) -> str:
        """The type of the ledger's row."""
        return _CHARGE_TYPES.get(self.cause) or ("POSTCHARGE" if self.amount < 0 else "REFILL")

    @classmethod
    def shown(cls, before: Balance | None = None, after: Balance | None = None) -> Shown:
        """Return a change from one balance to another for people."""
        amounts = [str(balance.amount) if balance else None for balance in (before, after)]
        return Shown(cls.table, cls.column, *amounts)
