from collections import defaultdict
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..connector.database import ConnectorError
from ..connector.writer import RowChange, is_meant
from ..connector.written_rows import current_rows
from ..models.astpp_guard_mixin import ours

# What finds a row, by table; a counter is one of the account's.
FOUND_BY = {"counters": "package_id"}


class AstppOutboxPreview(models.TransientModel):
    """What a waiting change would do to ASTPP as it is now; nothing is written."""

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
        """Make a line for each value that the waiting changes of a server would write.

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
        """Each change on top of the ones before it."""
        columns = ("balance", "posttoexternal")
        accounts = current_rows(database, "accounts", columns, entries.account_id.mapped("astpp_id"))
        written = set().union(*(self._written_ids(server) for server in entries.server_id))
        balances = {key: Decimal(row["balance"]) for key, row in accounts.items()}
        lines = []
        for entry in entries:
            key = entry.account_id.astpp_id
            line = {"outbox_id": entry.id, "table": "accounts", "column": "balance", "note": self._note(entry)}
            if key not in accounts:
                lines.append(line | {"note": self.env._("ASTPP has no such account.")})
                continue
            before = balances[key]
            amount = Decimal(f"{entry.amount:.5f}")
            after = before - amount if accounts[key]["posttoexternal"] == "1" else before + amount
            if entry.id in written:
                balances[key] = after
            lines.append(line | {"value_before": str(before), "value_after": str(after)})
        return lines

    def _row_lines(self, entries, database):
        wanted = defaultdict(lambda: (set(), set()))
        rows = {entry: entry._rows_to_write() for entry in entries}
        for row in (row for together in rows.values() for row in together):
            ids, columns = wanted[row["table"]]
            ids.add(row["match"][FOUND_BY.get(row["table"], "id")])
            columns |= {*row["values"], *row.get("only", ())}
        found = {
            table: current_rows(database, table, sorted(columns), ids, FOUND_BY.get(table, "id"))
            for table, (ids, columns) in wanted.items()
        }
        lines = []
        for entry in entries:
            for row in rows[entry]:
                table = row["table"]
                now = found[table].setdefault(row["match"][FOUND_BY.get(table, "id")], {})
                if not is_meant(RowChange(**row), now):
                    continue
                note = self._note(entry) if now or table == "counters" else self.env._("No such row.")
                for column, value in row["values"].items():
                    # Later changes come on top of earlier ones.
                    before, now[column] = now.get(column), str(value)
                    lines.append(
                        {
                            "outbox_id": entry.id,
                            "table": table,
                            "column": column,
                            "value_before": before,
                            "value_after": str(value),
                            "note": note,
                        }
                    )
        return lines

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
