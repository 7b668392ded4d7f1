import logging
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ...connector.balance import BalanceChange
from ...connector.changes import AccountSwitches, NumberSwitch, NumberTaken, read
from ...connector.database import ConnectorError, UnreachableError
from ...connector.writer import CouponUsedError

_logger = logging.getLogger(__name__)

# Entries fetched at a time.
BATCH = 500


class AstppOutbox(models.Model):
    """Apply queued changes: in order for each account, each entry in one transaction on both sides.

    ASTPP stores the entry's key in the same transaction as the change. If the process dies between ASTPP's commit and
    Odoo's, the next attempt finds the key in ASTPP and only records the change as applied.
    """

    _inherit = "astpp.outbox"

    @api.model
    def _cron_apply(self):
        """Apply changes of the kinds that are switched on; an account's queue stops at a failure."""
        progress = self.env["ir.cron"]
        for server in self.env["astpp.server"].search([("host", "!=", False)]):
            server._settle_outbox_alerts()
            applied = True
            # Ends when all that is left is held back or locked by another process.
            while applied and (entries := self._next_entries(server)):
                applied = False
                progress._commit_progress(remaining=len(entries))
                for entry in entries:
                    try:
                        if entry._apply_or_fail():
                            applied = True
                            server._clear_alert("unreachable")
                    except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                        # Another process has locked it.
                        self.env.cr.rollback()
                    except UnreachableError as error:
                        # Not the change's fault: all changes keep waiting, and this is no attempt.
                        server._tell_unreachable(str(error))
                        applied = False
                        break
                    if not progress._commit_progress(1):
                        return

    @api.model
    def _pending_domain(self, server):
        """Return the domain of changes to be written, without those held back by a switch or by their age."""
        since = server.write_from
        return (
            Domain("server_id", "=", server.id)
            & Domain("state", "in", ("waiting", "failed"))
            & Domain("kind", "in", server._written_kinds())
            & (Domain("create_date", ">=", since) if since else Domain.TRUE)
        )

    @api.model
    def _next_entries(self, server):
        """Return changes that may be applied now, oldest first; a failed or delayed one blocks its account's others."""
        if not server.host or not server._written_kinds():
            return self.browse()
        pending = self._pending_domain(server)
        stopped = Domain("state", "=", "failed") | Domain("next_date", ">", fields.Datetime.now())
        held = self._read_group(pending & stopped, ["account_id"])
        # Excluded in the query, so that many blocked entries cannot fill the batch and hide the others.
        ready = pending & Domain("account_id", "not in", [account.id for (account,) in held])
        return self.search(ready, order="id", limit=BATCH)

    def _apply_or_fail(self):
        """Apply one entry; record any error on the entry, so that other entries need not wait for it.

        :return: whether it was applied
        :raise UnreachableError: as for ``_apply``; PostgreSQL's concurrency errors are raised as well
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
        """Apply one entry, unless another process has it or an earlier one of the account is still pending.

        :return: whether it was applied
        :raise UnreachableError: when ASTPP does not answer; this does not count as an attempt
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
        except CouponUsedError as error:
            self._coupon()._lose(str(error))
            return True
        except (ConnectorError, UserError) as error:
            self._fail(str(error))
            return False
        self._note(outcome, changes)
        return True

    @api.model
    def _key_prefix(self):
        """Return the prefix of keys in ASTPP, which tells apart two Odoo databases that write to the same ASTPP."""
        return self.env["ir.config_parameter"].sudo().get_param("database.uuid", "")[:8] + "-"

    def _written_key(self):
        self.ensure_one()
        return f"{self._key_prefix()}{self.id}"

    def _coupon(self):
        """Return the coupon whose redemption this entry is, if any."""
        cause, _slash, key = self.key.partition("/")
        return self.env["astpp.coupon"].browse(int(key) if cause == "coupon" else ())

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
                coupon_id=self._coupon().astpp_id or None,
            )
        )

    def _changes_to_write(self):
        """Return the entry's row changes, plus those that follow from the current state when they are written.

        Switching an account also switches its numbers. A number that is off because of its owner is switched on again
        when it is taken from that owner.
        """
        self.ensure_one()
        changes = [read(row) for row in self.rows or []]
        match changes[:1]:
            case [AccountSwitches(active=bool() as active)]:
                changes += self.account_id._number_switches(active)
            case [NumberTaken(did_id=did_id), *_] if self.did_id.off_with_account:
                changes.append(NumberSwitch(did_id=did_id, on=True))
        return changes

    def _write_rows(self, writer, changes):
        return writer.change_rows(self._written_key(), self.account_id.astpp_id, changes, self.currency_id.name)

    def _note(self, outcome, changes):
        """Record ASTPP's values before and after the change.

        :param changes: the row changes that were written; empty for a balance change
        """
        if changes:
            found = {"rows": [change.stored() for change in changes]}
            # After a crash the values before the change are lost; keep what is stored already.
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
