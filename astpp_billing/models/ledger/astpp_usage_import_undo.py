from collections import Counter

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..astpp_guard_mixin import ours
from .usage_state import WAITING


class AstppUsageImport(models.Model):
    """Undoing an import: its lines are deleted, except those on invoices."""

    _inherit = "astpp.usage.import"

    undone_count = fields.Integer(string="Taken Back", readonly=True)
    left_count = fields.Integer(string="Lines in the Ledger", compute="_compute_left_count")

    def _compute_left_count(self):
        counts = dict(self.env["astpp.usage"]._read_group([("import_id", "in", self.ids)], ["import_id"], ["__count"]))
        for usage_import in self:
            usage_import.left_count = counts.get(usage_import, 0)

    @ours
    def action_undo(self):
        """Delete the lines that the file added to the ledger, except those on invoices."""
        self.ensure_one()
        self.check_access("write")
        if not self.try_lock_for_update():
            raise UserError(self.env._("This import is being worked on. Wait for its end."))
        if self.state in ("waiting", "running"):
            raise UserError(self.env._("This import is running. Cancel it instead."))
        if self.state in ("new", "refused", "cancelled"):
            raise UserError(self.env._("Nothing was imported, so there is nothing to take back."))
        if self.state == "undone":
            # The button was pressed twice.
            return {"type": "ir.actions.client", "tag": "soft_reload"}
        if self.added_count and not self.undone_count and not self.left_count:
            raise UserError(self.env._("Its lines cannot be told from others: an earlier version imported them."))
        held = self._held_for_them()
        self._take_back()
        return self._undone_notification(held)

    @ours
    def _take_back(self):
        """Delete the unbilled lines of these imports in one statement. Repeating it does no harm."""
        # sudo: users cannot delete calls one by one, but who may import a file may also undo it.
        usage = self.env["astpp.usage"].sudo()
        gone = Counter(
            (import_id, source, date.date())
            for import_id, source, date in usage._remove(
                SQL("u.import_id = ANY(%s)", self.ids), ("import_id", "source", "date")
            )
        )
        removed = Counter()
        for (import_id, _source, _day), count in gone.items():
            removed[import_id] += count
        for usage_import in self.filtered(
            lambda usage_import: usage_import.state in ("waiting", "running", "done", "partly")
        ):
            usage_import.write(
                {
                    "state": "partly" if usage_import.left_count else "undone",
                    "undone_count": usage_import.undone_count + removed[usage_import.id],
                }
            )
        self._have_read_again(gone)

    def _have_read_again(self, gone):
        """Let the synchronisation read again the days from which calls of ASTPP's call tables were deleted.

        It skipped these calls before, because the import had brought them already.

        :param gone: rows of (import id, source, day, count) that were deleted
        """
        # sudo: users have no access to the list of synchronised hours.
        slices = self.env["astpp.sync.slice"].sudo()
        for usage_import in self:
            days = {(source, day) for key, source, day in gone if key == usage_import.id and source != "import"}
            slices._forget(usage_import.server_id, days)

    def _held_for_them(self):
        """Count calls from elsewhere that are held as duplicates of lines that undoing would delete."""
        self.env["astpp.usage"].flush_model()
        [(count,)] = self.env.execute_query(
            SQL(
                """
                SELECT count(DISTINCT e.id)
                  FROM (SELECT * FROM astpp_usage WHERE import_id = %s AND %s) u
                  JOIN astpp_usage e ON e.account_id = u.account_id AND e.date = u.date AND e.duration = u.duration
                                    AND e.exception = 'duplicate' AND e.import_id IS DISTINCT FROM u.import_id
                """,
                self.id,
                WAITING.sql,
            )
        )
        return count

    def _undone_notification(self, held):
        texts = [self.env._("%s lines were taken back.", self.undone_count)]
        if self.left_count:
            texts.append(self.env._("%s lines are on invoices and stay.", self.left_count))
        if held:
            texts.append(self.env._("%s other calls are still held as duplicates of them: check these.", held))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if self.left_count or held else "success",
                "message": " ".join(texts),
                "sticky": bool(self.left_count or held),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    @api.ondelete(at_uninstall=False)
    def _unlink_with_lines(self):
        """Delete an import's lines along with it, so that no line refers to a missing import."""
        self._take_back()
        if billed := self.filtered("left_count"):
            raise UserError(
                self.env._(
                    "Invoices bill lines of %s. Credit or cancel these invoices first; the import is their evidence.",
                    ", ".join(billed.mapped("display_name")),
                )
            )

    def action_view_lines(self):
        """Open the lines of the file that are in the ledger."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_charge_history")
        return action | {"domain": [("import_id", "in", self.ids)], "context": {}}
