from datetime import datetime

from odoo import api, models
from odoo.fields import Domain
from odoo.orm.domains import DomainAnd, DomainCondition
from odoo.tools import SQL

from .astpp_usage_billing import BEGINNING
from .astpp_usage_days import whole_days
from .total_key import KEY
from .usage_copy import END_OF_TIME
from .usage_state import NOT_HELD

# What is added up, of lines, totals and days alike.
PARTS = ("lines", "amount", "credit", "duration")
# What a total says of all its lines, and a day of all of its.
OF_TOTALS = {*KEY, "move_line_id", "move_id"}
OF_DAYS = {"server_id", "account_id", "issuer_id"}


class AstppUsage(models.Model):
    """What charges come to that somebody chose, without reading them all."""

    _inherit = "astpp.usage"

    @api.model
    def _charged(self, domain: Domain) -> dict:
        """Return what the usage of a domain comes to: ``count``, ``debit``, ``credit`` and ``seconds``.

        If the domain asks only for what a whole total has in common, and for dates, then totals are added up; where
        dates cut some, days if they say enough, else the lines of these. If it asks for more, all its lines are.

        :param domain: on ``astpp.usage``
        """
        self.flush_model()
        shared, dates, rest = [], [], []
        for part in domain.children if isinstance(domain, DomainAnd) else (domain,):
            names = {condition.field_expr for condition in part.iter_conditions()}
            if isinstance(part, DomainCondition) and part.field_expr == "date" and part.operator in (">=", "<"):
                dates.append(part)
            elif names and names <= OF_TOTALS:
                shared.append(part)
            else:
                rest.append(part)
        since = max((part.value for part in dates if part.operator == ">="), default=BEGINNING)
        until = min((part.value for part in dates if part.operator == "<"), default=END_OF_TIME)
        query = self._charged_lines(domain) if rest else self._charged_totals(shared, since, until)
        [(count, debit, credit, seconds)] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(sum(lines), 0)::bigint, COALESCE(sum(amount + credit), 0), COALESCE(sum(credit), 0),
                       COALESCE(sum(duration), 0)::bigint
                  FROM (%s) AS part
                """,
                query,
            )
        )
        return {"count": count, "debit": debit, "credit": credit, "seconds": seconds}

    @api.model
    def _domain_of_days(self, parts: list[Domain]) -> Domain | None:
        """Return the domain on ``astpp.usage.day`` that says the same as these parts, None if there is none."""
        own = [part for part in parts if part != NOT_HELD.domain]
        names = {condition.field_expr for part in own for condition in part.iter_conditions()}
        if not own or not names <= OF_DAYS:
            return None
        return Domain.AND(own) & (Domain("held", "=", False) if len(own) < len(parts) else Domain.TRUE)

    @api.model
    def _charged_lines(self, domain: Domain) -> SQL:
        query = self._search(domain)
        amount, duration = (SQL.identifier(query.table, name) for name in ("amount", "duration"))
        return query.select(
            SQL("1 AS lines"), SQL("%s AS amount", amount), SQL("GREATEST(-%s, 0) AS credit", amount), duration
        )

    @api.model
    def _charged_days(self, days: Domain, lines: Domain, since: datetime, until: datetime) -> SQL:
        first, last = whole_days(since, until)
        days &= Domain("day", ">=", first.date()) & Domain("day", "<", last.date())
        cut = (Domain("date", ">=", since) & Domain("date", "<", first)) | (
            Domain("date", ">=", last) & Domain("date", "<", until)
        )
        query = self.env["astpp.usage.day"]._search(days)
        return SQL(
            "%s UNION ALL %s",
            query.select(*(SQL.identifier(query.table, name) for name in PARTS)),
            self._charged_lines(lines & cut),
        )

    @api.model
    def _charged_totals(self, shared: list[Domain], since: datetime, until: datetime) -> SQL:
        """Return the query for totals, or for days where dates cut a total and days say enough."""
        lines, totals = Domain.AND(shared), self.env["astpp.usage.total"]
        chosen = lines & Domain("lines", ">", 0)
        # Asked for beforehand: PostgreSQL would prepare for many, and take longer for that than for the sums.
        cut = totals.search(
            chosen
            & Domain("first_date", "<", until)
            & Domain("last_date", ">=", since)
            & (Domain("first_date", "<", since) | Domain("last_date", ">=", until))
        )
        if cut and (days := self._domain_of_days(shared)):
            return self._charged_days(days, lines, since, until)
        query = totals._search(chosen & Domain("first_date", ">=", since) & Domain("last_date", "<", until))
        whole = query.select(*(SQL.identifier(query.table, name) for name in PARTS))
        if not cut:
            return whole
        dates = Domain("date", ">=", since) & Domain("date", "<", until)
        return SQL("%s UNION ALL %s", whole, self._charged_lines(Domain("total_id", "in", cut.ids) & dates))
