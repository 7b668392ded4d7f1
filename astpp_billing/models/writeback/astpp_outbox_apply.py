import logging
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ...connector.balance import BalanceChange
from ...connector.changes import AccountSwitches, NumberSwitch, NumberTaken, read
from ...connector.database import ConnectorError, UnreachableError

_logger = logging.getLogger(__name__)

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
        for server in self.env["astpp.server"].search([("host", "!=", False)]):
            server._settle_outbox_alerts()
            applied = True
            # The others are held by now, or another process has them.
            while applied and (entries := self._next_entries(server)):
                applied = False
                progress._commit_progress(remaining=len(entries))
                for entry in entries:
                    try:
                        if entry._apply_or_fail():
                            applied = True
                            server._clear_alert("unreachable")
                    except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                        # Another process has it.
                        self.env.cr.rollback()
                    except UnreachableError as error:
                        # No fault of the changes: they wait as they are.
                        server._tell_unreachable(str(error))
                        applied = False
                        break
                    if not progress._commit_progress(1):
                        return

    @api.model
    def _pending_domain(self, server):
        """Return what the server is to be told, and is not held back by a switch or by its age."""
        since = server.write_from
        return (
            Domain("server_id", "=", server.id)
            & Domain("state", "in", ("waiting", "failed"))
            & Domain("kind", "in", server._written_kinds())
            & (Domain("create_date", ">=", since) if since else Domain.TRUE)
        )

    @api.model
    def _next_entries(self, server):
        """Return what may be applied now, oldest first; an account's failed or later entry holds its other ones."""
        if not server.host or not server._written_kinds():
            return self.browse()
        pending = self._pending_domain(server)
        stopped = Domain("state", "=", "failed") | Domain("next_date", ">", fields.Datetime.now())
        held = self._read_group(pending & stopped, ["account_id"])
        # Left out by the database: however many are held, the others are not out of reach.
        ready = pending & Domain("account_id", "not in", [account.id for (account,) in held])
        return self.search(ready, order="id", limit=BATCH)

    def _apply_or_fail(self):
        """Apply one entry; whatever is wrong with it is noted there, for the others are not to wait for it.

        :return: whether it is applied
        :raise UnreachableError: as ``_apply``; besides that what PostgreSQL says of other processes
        """
        try:
            return self._apply()
        except (UnreachableError, *PG_CONCURRENCY_EXCEPTIONS_TO_RETRY):
            raise
        except Exception as error:
            _logger.exception("A change for ASTPP, ID %s, could not be applied", self.id)
            self.env.cr.rollback()
            self._fail(self.server_id._explain(error))
            return False

    def _apply(self):
        """Apply one entry, unless somebody else does or an earlier one of the account has just failed.

        :return: whether it is applied
        :raise UnreachableError: when ASTPP does not answer; that is no attempt
        """
        self.ensure_one()
        locked = self.try_lock_for_update()
        if not locked or self.state != "waiting":
            return False
        before = Domain("account_id", "=", self.account_id.id) & Domain("id", "<", self.id)
        if self.search_count(before & self._pending_domain(self.server_id), limit=1):
            return False
        if not self.account_id.astpp_id:
            self._fail(self.env._("The account is not known to ASTPP: its ASTPP ID is empty."))
            return False
        changes = self._changes_to_write()
        try:
            with self.server_id._open_writer() as writer:
                outcome = self._write_rows(writer, changes) if changes else self._write_balance(writer)
        except UnreachableError:
            raise
        except (ConnectorError, UserError) as error:
            self._fail(str(error))
            return False
        self._note(outcome, changes)
        return True

    @api.model
    def _key_prefix(self):
        """Return what the keys in ASTPP begin with: the database's own name keeps two Odoo databases apart."""
        return self.env["ir.config_parameter"].sudo().get_param("database.uuid", "")[:8] + "-"

    def _written_key(self):
        self.ensure_one()
        return f"{self._key_prefix()}{self.id}"

    def _write_balance(self, writer):
        return writer.change_balance(
            BalanceChange(
                key=self._written_key(),
                account_id=self.account_id.astpp_id,
                number=self.account_id.number,
                amount=Decimal(str(self.amount)),
                cause=self.key.split("/")[0],
                description=self.description or "",
                currency=self.currency_id.name,
            )
        )

    def _changes_to_write(self):
        """Return the entry's changes of rows, and those that depend on what else is so by the time they are written.

        With an account its numbers are switched off or on. A number that was off with its owner is taken back on.
        """
        self.ensure_one()
        changes = [read(row) for row in self.rows or []]
        match changes[:1]:
            case [AccountSwitches(active=bool() as active)]:
                changes += self.account_id._number_switches(active)
            case [NumberTaken(did_id=did_id)] if self.did_id.off_with_account:
                changes.append(NumberSwitch(did_id=did_id, on=True))
        return changes

    def _write_rows(self, writer, changes):
        return writer.change_rows(self._written_key(), self.account_id.astpp_id, changes, self.currency_id.name)

    def _note(self, outcome, changes):
        """Note what ASTPP had and has now.

        :param changes: what was written, when it was rows
        """
        if changes:
            found = {"rows": [change.stored() for change in changes]}
            # After a crash the replaced values are gone; what is known stays empty.
            found |= {} if outcome.known else {"rows_before": outcome.before}
            self.env["astpp.did"]._note_switched(self.server_id, changes, outcome)
        else:
            found = {"balance_before": float(outcome.before), "balance_after": float(outcome.after)}
            if not outcome.known:
                self.account_id.available_funds += self.amount
        self.write(
            {
                "state": "applied",
                "applied_date": fields.Datetime.now(),
                "message": self.env._("ASTPP had it already.") if outcome.known else False,
                **found,
            }
        )
