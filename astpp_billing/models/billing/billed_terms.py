"""What an invoice is about: an account, and the terms under which its usage was used."""

from typing import Any, NamedTuple


class BilledTerms(NamedTuple):
    """An account under an issuer, for a customer: today's, or those of before it moved."""

    account: Any
    issuer: Any
    partner: Any

    @classmethod
    def of_today(cls, account: Any) -> "BilledTerms":
        return cls(account, account.issuer_id, account.partner_id)

    @property
    def is_current(self) -> bool:
        return self == self.of_today(self.account)
