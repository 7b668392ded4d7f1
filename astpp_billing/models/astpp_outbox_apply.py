from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..connector.database import ConnectorError
from ..connector.writer import BalanceChange

# Entries looked at in one go.
BATCH = 500


class AstppOutbox(models.Model):
    """Applying what waits: in order for each account, each entry in one transaction on either side.

    ASTPP keeps the entry's key in the transaction of the change. Should the process die between ASTPP's
    commit and Odoo's, the next attempt finds the key there and only notes it here.
    """

    _inherit = "astpp.outbox"

    @api.model
    def _cron_apply(self):
        """Apply what is switched on; an account's queue stops at what fails."""
        progress = self.env["ir.cron"]
        servers = self.env["astpp.server"].search([("host", "!=", False)])
        for server in servers:
            entries = self._next_entries(server)
            progress._commit_progress(remaining=len(entries))
            for entry in entries:
                try:
                    entry._apply()
                except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                    # Another process has it.
                    self.env.cr.rollback()
                if not progress._commit_progress(1):
                    return

    @api.model
    def _next_entries(self, server):
        """Return what may be applied now, oldest first; an account's failed or later entry holds the ones behind it."""
        kinds = [kind for kind in ("credit", "charge", "payment") if server[f"write_{kind}"]]
        if not kinds or not server.host:
            return self.browse()
        now = fields.Datetime.now()
        entries = self.search(
            [("server_id", "=", server.id), ("state", "in", ("waiting", "failed")), ("kind", "in", kinds)],
            order="id",
            limit=BATCH,
        )
        held, ready = set(), self.browse()
        for entry in entries:
            if entry.state == "failed" or (entry.next_date and entry.next_date > now):
                held.add(entry.account_id)
            if entry.account_id not in held:
                ready |= entry
        return ready

    def _apply(self):
        """Apply one entry, unless somebody else does or an earlier one of the account has just failed.

        :return: whether it is applied
        """
        self.ensure_one()
        locked = self.try_lock_for_update()
        before = [("account_id", "=", self.account_id.id), ("id", "<", self.id), ("kind", "=", self.kind)]
        if not locked or self.state != "waiting":
            return False
        if self.search_count([*before, ("state", "in", ("waiting", "failed"))], limit=1):
            return False
        account = self.account_id
        if not account.astpp_id:
            self._fail(self.env._("The account is not known to ASTPP: its ASTPP ID is empty."))
            return False
        # The database's own name keeps two Odoo databases apart.
        uuid = self.env["ir.config_parameter"].sudo().get_param("database.uuid", "")[:8]
        change = BalanceChange(
            key=f"{uuid}-{self.id}",
            account_id=account.astpp_id,
            amount=Decimal(str(self.amount)),
            charge_type=self._charge_type(),
            description=self.description or "",
            currency=self.currency_id.name,
        )
        try:
            with self.server_id._open_writer() as writer:
                outcome = writer.change_balance(change)
        except (ConnectorError, UserError) as error:
            self._fail(str(error))
            return False
        self.write(
            {
                "state": "applied",
                "applied_date": fields.Datetime.now(),
                "balance_before": float(outcome.before),
                "balance_after": float(outcome.after),
                "message": self.env._("ASTPP had it already.") if outcome.known else False,
            }
        )
        if not outcome.known:
            account.available_funds += self.amount
        return True
