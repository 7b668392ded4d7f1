from odoo import api, models
from odoo.exceptions import AccessError, UserError

from ...connector.call_record import FIELDS, RowError, checked_record

MAX_ROWS = 10_000


class AstppUsage(models.Model):
    """Calls pushed by another system through the API."""

    _inherit = "astpp.usage"

    @api.model
    def ingest(self, rows, server=None):
        """Add calls to the ledger; calls that it already has are skipped.

        Meant for ``POST /json/2/astpp.usage/ingest`` with the API key of a user in the group
        *Usage feed*, which has no other rights. Sending the same rows again is safe.

        :param rows: list of at most 10,000 objects with ASTPP's column names: ``callstart``
            (UTC, at most a day in the future), ``billseconds``, ``debit`` (base currency), ``calltype``,
            ``call_direction``, and ``accountid`` or ``account_number``; optionally ``uniqueid``, ``callednum``,
            ``callerid``, ``cost``, ``pattern``, ``notes``, ``disposition``, ``rate_cost``. A row with a value of
            more than 255 characters is rejected
        :param server: name of the ASTPP server, required if the company has several. The company is the user's, or the
            first one of ``allowed_company_ids`` in the context, which the user must have access to
        :return: ``{"added": int, "known": int, "held": {reason: int},
            "rejected": [{"index": int, "reason": str}]}``
        :raise AccessError: when the user is not in the group or has no access to the company
        :raise UserError: when the request itself is invalid; nothing is added then
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
        if server and not isinstance(server, str):
            raise UserError(self.env._("“server” must be the name of an ASTPP server."))
        # Read before sudo(), which would accept any company that the caller puts into the context.
        company = self.env.company
        # sudo: the feed's user has no rights of its own, and may only add calls for a server of its company. The
        # context is reset so that the caller cannot influence anything else by it.
        usage = self.with_context(allowed_company_ids=company.ids, active_test=True).sudo()
        rejected = []
        counts = usage._load_calls(usage._ingest_server(company, server), self._ingest_records(rows, rejected))
        return {
            "added": counts["added"],
            "known": counts["known"],
            "held": counts["exceptions"],
            "rejected": rejected,
        }

    @api.model
    def _ingest_server(self, company, name):
        domain = [("company_id", "=", company.id)]
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
        """Yield (index, record) of valid rows; append index and reason of the others to ``rejected``."""
        for index, row in enumerate(rows):
            try:
                if not isinstance(row, dict):
                    raise RowError("the row is no object")
                texts = {name: _text(row.get(name)) for name in FIELDS}
                if not texts["accountid"] and not texts["account_number"]:
                    raise RowError("accountid: empty, so nobody can be billed")
                yield index, checked_record(texts, "api")
            except RowError as error:
                rejected.append({"index": index, "reason": str(error)})


def _text(value):
    """Return a JSON value as text, as in call files; None for anything but text and numbers."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        text = str(value)
    except ValueError:
        # Python refuses to convert integers with too many digits.
        raise RowError("a number is too long") from None
    if "\0" in text:
        raise RowError("the row has a NUL character")
    return text
