from odoo import api, models
from odoo.exceptions import AccessError, UserError

from ..connector.call_record import RowError, call_record

MAX_ROWS = 10_000


class AstppUsage(models.Model):
    """Calls pushed by another system."""

    _inherit = "astpp.usage"

    @api.model
    def ingest(self, rows, server=None):
        """Add calls to the ledger; calls that it has already are passed over.

        Meant for ``POST /json/2/astpp.usage/ingest`` with the API key of a user in the group
        *Usage feed*, which can do nothing else. Sending the same rows again is safe.

        :param rows: list of at most 10,000 objects with ASTPP's column names: ``callstart``
            (UTC), ``billseconds``, ``debit`` (base currency), ``calltype``, ``call_direction``,
            and ``accountid`` or ``account_number``; also ``uniqueid``, ``callednum``,
            ``callerid``, ``cost``, ``pattern``, ``notes``, ``disposition``, ``rate_cost``
        :param server: name of the ASTPP server, when the company has several
        :return: ``{"added": int, "known": int, "held": {reason: int},
            "rejected": [{"index": int, "reason": str}]}``
        :raise AccessError: for users without the group
        :raise UserError: when the call as such is wrong; nothing is added then
        """
        if not (
            self.env.su
            or self.env.user.has_group("astpp_billing.group_usage_feed")
            or self.env.user.has_group("account.group_account_invoice")
        ):
            raise AccessError(self.env._("Only users of the group Usage feed may add usage."))
        if not isinstance(rows, list):
            raise UserError(self.env._("“rows” must be a list of calls."))
        if len(rows) > MAX_ROWS:
            raise UserError(
                self.env._("At most %(most)s rows a call, these are %(rows)s.", most=MAX_ROWS, rows=len(rows))
            )
        # The feed's user has no other right at all; it may add calls to its own company's server.
        usage = self.sudo()
        rejected = []
        counts = usage._load_calls(usage._ingest_server(server), self._ingest_records(rows, rejected))
        return {
            "added": counts["added"],
            "known": counts["known"],
            "held": counts["exceptions"],
            "rejected": rejected,
        }

    @api.model
    def _ingest_server(self, name):
        domain = [("company_id", "=", self.env.company.id)]
        if name:
            domain.append(("name", "=", name))
        servers = self.env["astpp.server"].search(domain, limit=2)
        if len(servers) != 1:
            raise UserError(
                self.env._("There is no ASTPP server of this name.")
                if name or not servers
                else self.env._("There are several ASTPP servers: say which one in “server”.")
            )
        return servers

    @api.model
    def _ingest_records(self, rows, rejected):
        """Yield records, and note the index and reason of rows that are none."""
        for index, row in enumerate(rows):
            try:
                if not isinstance(row, dict):
                    raise RowError("the row is no object")
                texts = {
                    name: str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
                    for name, value in row.items()
                }
                if any("\0" in text for text in texts.values() if text):
                    raise RowError("the row has a NUL character")
                if not texts.get("accountid") and not texts.get("account_number"):
                    raise RowError("accountid: empty, so nobody can be billed")
                yield index, call_record(texts, "api")
            except RowError as error:
                rejected.append({"index": index, "reason": str(error)})
