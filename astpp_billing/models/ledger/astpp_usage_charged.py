from datetime import datetime

from odoo import api, models
from odoo.fields import Domain
from odoo.orm.domains import DomainAnd, DomainCondition
from odoo.tools import SQL

from .astpp_usage_billing import BEGINNING
from .astpp_usage_days import whole_days
from .total_key import KEY, SUMS
from .usage_copy import END_OF_TIME
from .usage_state import NOT_HELD

# What a total says of all its lines, and a day of all of its.
OF_TOTALS = {*KEY, "move_line_id", "move_id"}
OF_DAYS = {"server_id", "account_id", "issuer_id"}


class AstppUsage(models.Model):
    """What charges come to that somebody chose, without reading them all."""

    _inherit = "astpp.usage"

    @api.model
    def _charged(self, domain: Domain) -> dict:
        """Return what the usage of a domain comes to: ``count``, ``debit``, ``credit`` and ``seconds``.

        If the domain asks only for what a whole total or day has in common, and for dates, then these are added up,
        and lines only where dates cut a total or day. If it asks for more, all its lines are.

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
        if rest:
            query = self._charged_lines(domain)
        elif dates and (days := self._domain_of_days(shared)):
            query = self._charged_days(days, Domain.AND(shared), since, until)
        else:
            query = self._charged_totals(Domain.AND(shared), since, until)
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
        lines = self._search(domain)
        return SQL("SELECT %s FROM astpp_usage u WHERE u.id IN %s", SUMS, lines.subselect())

    @api.model
    def _charged_days(self, days: Domain, lines: Domain, since: datetime, until: datetime) -> SQL:
        first, last = whole_days(since, until)
        days &= Domain("day", ">=", first.date()) & Domain("day", "<", last.date())
        cut = (Domain("date", ">=", since) & Domain("date", "<", first)) | (
            Domain("date", ">=", last) & Domain("date", "<", until)
        )
        return SQL(
            """
            SELECT lines, amount, credit, duration FROM astpp_usage_day WHERE id IN %s
         UNION ALL
            SELECT lines, amount, credit, duration FROM (%s) AS cut
            """,
            self.env["astpp.usage.day"]._search(days).subselect(),
            self._charged_lines(lines & cut),
        )

    @api.model
    def _charged_totals(self, domain: Domain, since: datetime, until: datetime) -> SQL:
        domain &= Domain([("lines", ">", 0), ("first_date", "<", until), ("last_date", ">=", since)])
        return SQL(
            """
            WITH chosen AS (
                SELECT t.*, t.first_date >= %(since)s AND t.last_date < %(until)s AS is_whole
                  FROM astpp_usage_total t WHERE t.id IN %(totals)s
            )
            SELECT lines, amount, credit, duration FROM chosen WHERE is_whole
         UNION ALL
            SELECT u.lines, u.amount, u.credit, u.duration
              FROM (SELECT id FROM chosen WHERE NOT is_whole) AS cut
        CROSS JOIN LATERAL (SELECT %(sums)s FROM astpp_usage u
                             WHERE u.total_id = cut.id AND u.date >= %(since)s AND u.date < %(until)s) u
            """,
            sums=SUMS,
            since=since,
            until=until,
            totals=self.env["astpp.usage.total"]._search(domain).subselect(),
        )
