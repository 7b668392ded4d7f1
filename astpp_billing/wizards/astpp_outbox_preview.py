from itertools import chain

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..connector.balance import BalanceChange, kept
from ..connector.database import ConnectorError
from ..connector.written_rows import current_balances, current_rows
from ..models.astpp_guard_mixin import ours


class AstppOutboxPreview(models.TransientModel):
    """What a waiting change would do to ASTPP's current values; nothing is written."""

    _name = "astpp.outbox.preview"
    _description = "Preview of a Change for ASTPP"
    _order = "id"

    outbox_id = fields.Many2one("astpp.outbox", string="Change", required=True, readonly=True, ondelete="cascade")
    server_id = fields.Many2one(related="outbox_id.server_id")
    account_id = fields.Many2one(related="outbox_id.account_id")
    kind = fields.Selection(related="outbox_id.kind")
    table = fields.Char(readonly=True)
    column = fields.Char(readonly=True)
    value_before = fields.Char(string="Now", readonly=True)
    value_after = fields.Char(string="Then", readonly=True)
    note = fields.Char(readonly=True)

    @api.model
    @ours
    def _make(self, server):
        """Create a line for each value that a server's waiting changes would write.

        :raise UserError: when ASTPP cannot be read
        """
        entries = self.env["astpp.outbox"].search(
            [("server_id", "=", server.id), ("state", "in", ("waiting", "failed"))], order="id"
        )
        try:
            with server._open() as database:
                lines = self._balance_lines(entries.filtered(lambda e: not e.rows), database)
                lines += self._row_lines(entries.filtered("rows"), database)
        except ConnectorError as error:
            raise UserError(str(error)) from None
        return self.create(lines)

    def _balance_lines(self, entries, database):
        """Return the lines of balance changes, each on top of the previous ones."""
        balances = current_balances(database, entries.account_id.mapped("astpp_id"))
        written = set().union(*(self._written_ids(server) for server in entries.server_id))
        lines = []
        for entry in entries:
            key = entry.account_id.astpp_id
            if key not in balances:
                lines.append(self._line(entry, BalanceChange.shown(), self.env._("ASTPP has no such account.")))
                continue
            before = balances[key]
            after = before.plus(kept(entry.amount))
            if entry.id in written:
                balances[key] = after
            lines.append(self._line(entry, BalanceChange.shown(before, after), self._note(entry)))
        return lines

    def _row_lines(self, entries, database):
        rows = {entry: [change.row() for change in entry._changes_to_write()] for entry in entries}
        found = current_rows(database, chain.from_iterable(rows.values()))
        lines = []
        for entry, row in ((entry, row) for entry, together in rows.items() for row in together):
            now = found.setdefault(row.place, {})
            if not row.is_meant(now):
                continue
            note = self._note(entry) if now or row.may_be_missing else self.env._("No such row.")
            shown = row.shown(now)
            lines += [self._line(entry, each, note) for each in shown]
            # Later changes apply on top of earlier ones.
            now.update({each.column: each.after for each in shown})
        return lines

    def _line(self, entry, shown, note):
        """Return the values of a line.

        :param shown: ``connector.row_change.Shown``
        """
        return {
            "outbox_id": entry.id,
            "table": shown.table,
            "column": shown.column,
            "value_before": shown.before,
            "value_after": shown.after,
            "note": note,
        }

    def _written_ids(self, server):
        outbox = self.env["astpp.outbox"]
        return outbox.search(outbox._pending_domain(server)).ids

    def _note(self, entry):
        if entry.state == "failed":
            return entry.message
        if not entry.server_id._writes(entry.kind):
            return self.env._("Not written: switched off on the server.")
        if entry.server_id.write_from and entry.create_date < entry.server_id.write_from:
            return self.env._("Not written: from before changes were written.")
        return entry.message if entry.attempts else False
