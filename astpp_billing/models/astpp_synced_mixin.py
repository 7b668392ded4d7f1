from odoo import api, fields, models
from odoo.fields import Command
from odoo.tools import SQL, split_every

from ..left_out import put_away
from ..three_way import news, plain

# Rows compared at a time.
CHUNK = 5000
# Rows created or changed in one transaction.
PIECE = 2000


class AstppSyncedMixin(models.AbstractModel):
    """A record that mirrors an ASTPP row, merged so that changes on neither side are lost.

    ``astpp_snapshot`` holds the values last read from ASTPP. A field is updated when it changed in ASTPP
    and was not changed in Odoo since; fields in ``_astpp_owned`` always follow ASTPP.
    """

    _name = "astpp.synced.mixin"
    _description = "Mirror of an ASTPP Row"
    _astpp_owned = frozenset()

    server_id = fields.Many2one("astpp.server", ondelete="restrict")
    astpp_id = fields.Integer(
        string="ASTPP ID", aggregator=None, copy=False, help="The row's number inside the ASTPP database."
    )
    astpp_snapshot = fields.Json(copy=False, readonly=True)

    @api.model
    def _merge_synced(self, server, wanted, left_out, commit=None):
        """Create records for new rows and update changed ones; a row that Odoo refuses does not stop the others.

        :param wanted: {ASTPP id: values}, records as ids, many2many as sorted lists of ids
        :param left_out: ``LeftOut`` that collects the refused rows
        :param commit: called after each piece, so that what was done is kept whatever happens to the rest
        :return: (created records, changed records)
        """
        wanted = self._differing(server, wanted)
        existing = self.with_context(active_test=False).search(
            [("server_id", "=", server.id), ("astpp_id", "in", list(wanted))]
        )
        by_id = {record.astpp_id: record for record in existing}
        current = existing._synced_values({name for vals in wanted.values() for name in vals})
        changes = {
            key: vals
            for key, record in by_id.items()
            if (vals := record._synced_changes(wanted[key], current[record.id]))
        }

        def create(keys):
            records = self.create(
                [
                    self._synced_commands(wanted[key])
                    | {"server_id": server.id, "astpp_id": key, "astpp_snapshot": plain(wanted[key])}
                    for key in keys
                ]
            )
            records._after_merge(records)
            return records

        def change(keys):
            records = self.browse(by_id[key].id for key in keys)
            for key, record in zip(keys, records, strict=True):
                record.write(self._synced_commands(changes[key]) | {"astpp_snapshot": plain(wanted[key])})
            records._after_merge(self.browse())
            return records

        def piecewise(keys, put):
            done = []
            for piece in split_every(PIECE, keys):
                done += put_away(self, list(piece), put, left_out, self._row_name)
                if commit:
                    commit()
            return self.union(*done)

        # Changes first: a closed or moved record frees its unique key for a new one.
        changed = piecewise(changes, change)
        return piecewise([key for key in wanted if key not in by_id], create), changed

    @api.model
    def _differing(self, server, wanted):
        """Leave out what needs no look: rows as ASTPP had them last time, whose owned fields are the same here.

        Without records: of tens of thousands of rows hardly any is new, and reading the others is most of the work.
        """
        names = sorted(name for name in self._followed(server) if any(name in vals for vals in wanted.values()))
        if any(not self._fields[name].store or self._fields[name].type == "many2many" for name in names):
            return wanted
        self.flush_model(["server_id", "astpp_id", "astpp_snapshot", *names])
        columns = SQL("").join(SQL(", %s", SQL.identifier(name)) for name in names)
        same = set()
        for keys in split_every(CHUNK, wanted):
            rows = self.env.execute_query(
                SQL(
                    "SELECT astpp_id, astpp_snapshot%s FROM %s WHERE server_id = %s AND astpp_id = ANY(%s)",
                    columns,
                    SQL.identifier(self._table),
                    server.id,
                    list(keys),
                )
            )
            for key, snapshot, *values in rows:
                now = plain(wanted[key])
                here = plain(dict(zip(names, values, strict=True)))
                if snapshot == now and all(here[name] == now[name] for name in names if name in now):
                    same.add(key)
        return {key: vals for key, vals in wanted.items() if key not in same}

    @api.model
    def _followed(self, server):
        """Return the fields that are set to ASTPP's values whatever was done here; see ``_synced_changes``."""
        return self._astpp_owned

    @api.model
    def _row_name(self, astpp_id):
        """Return the name of an ASTPP row in the list of rows left out."""
        return self.env._("ID %s", astpp_id)

    def _after_merge(self, created):
        """Hook for side effects of the merge, in the savepoint that created or changed these records.

        :param created: the new ones among them
        """

    def _synced_changes(self, wanted, current):
        """Return the values to take from ASTPP: owned by it, or changed there and untouched here.

        :param wanted: the values in ASTPP now
        :param current: the values in Odoo as returned by ``_synced_values``, with ``astpp_snapshot``
        """
        self.ensure_one()
        before, now = current["astpp_snapshot"] or {}, plain(wanted)
        changes = {name: wanted[name] for name in news(before, now, current, self._astpp_owned)}
        if not changes and now != before:
            # The value set in Odoo stays, but the next comparison starts from ASTPP's new value.
            self.astpp_snapshot = now
        return changes

    def _synced_values(self, names):
        """Return {record id: JSON-compatible values}, including the snapshot; records as ids."""
        many = {name for name in names if self._fields[name].type == "many2many"}
        values = {}
        for row in self.read([*names, "astpp_snapshot"], load=None):
            values[row["id"]] = plain(row) | {name: sorted(row[name]) for name in many}
        return values

    def _synced_commands(self, vals):
        return {
            name: [Command.set(value)] if self._fields[name].type == "many2many" else value
            for name, value in vals.items()
        }
