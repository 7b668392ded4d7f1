"""The states of a ledger line, as SQL and as domains. They are defined here and nowhere else."""

from typing import NamedTuple

from odoo.fields import Domain
from odoo.tools import SQL


class UsageState(NamedTuple):
    """A condition on ``astpp_usage``, both as SQL and as a domain."""

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
HERE = UsageState("elsewhere IS NOT TRUE", Domain("elsewhere", "!=", True))

# Neither billed nor held.
WAITING = NOT_BILLED & NOT_HELD & HERE
# A waiting line is either to be invoiced (postpaid) or to be recognised as income (prepaid).
UNBILLED = WAITING & POSTPAID
UNRECOGNISED = WAITING & PREPAID
