"""The states of a line of the ledger. Each is spelled here and nowhere else: as SQL and as a domain."""

from typing import NamedTuple

from odoo.fields import Domain
from odoo.tools import SQL


class UsageState(NamedTuple):
    """A condition on ``astpp_usage`` in both languages."""

    where: str
    """for statements: columns stand without an alias"""
    domain: Domain

    def __and__(self, other: "UsageState") -> "UsageState":
        return UsageState(f"{self.where} AND {other.where}", self.domain & other.domain)

    @property
    def sql(self) -> SQL:
        return SQL(self.where)  # pylint: disable=sql-injection


# Whether a line is billed is said by its total.
_BILLED_TOTAL = "EXISTS (SELECT FROM astpp_usage_total bt WHERE bt.id = total_id AND bt.move_line_id IS NOT NULL)"
BILLED = UsageState(_BILLED_TOTAL, Domain("move_line_id", "!=", False))
NOT_BILLED = UsageState(f"NOT {_BILLED_TOTAL}", Domain("move_line_id", "=", False))
HELD = UsageState("exception IS NOT NULL", Domain("exception", "!=", False))
NOT_HELD = UsageState("exception IS NULL", Domain("exception", "=", False))
PREPAID = UsageState("prepaid", Domain("prepaid", "=", True))
POSTPAID = UsageState("prepaid IS NOT TRUE", Domain("prepaid", "!=", True))

# Nothing is done about it yet, and nothing is against it.
WAITING = NOT_BILLED & NOT_HELD
# What is to be invoiced, and what is to be recognised as income: a line waits in one of them.
UNBILLED = WAITING & POSTPAID
UNRECOGNISED = WAITING & PREPAID
