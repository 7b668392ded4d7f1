from odoo import api, fields, models
from odoo.fields import Command


class AstppSyncedMixin(models.AbstractModel):
    """A record that mirrors a row of ASTPP, merged so that nobody's change is lost.

    ``astpp_snapshot`` is what ASTPP said last. A field is written when ASTPP says something new
    and nobody has changed it in Odoo since; fields in ``_astpp_owned`` follow ASTPP always.
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
    def _merge_synced(self, server, wanted):
        """Create what is new and write what ASTPP changed.

        :param wanted: {ASTPP id: values}, records as ids, many2many as sorted lists of ids
        :return: (created records, changed records)
        """
        existing = self.with_context(active_test=False).search(
            [("server_id", "=", server.id), ("astpp_id", "in", list(wanted))]
        )
        by_id = {record.astpp_id: record for record in existing}
        missing = wanted.keys() - by_id.keys()
        created = self.create(
            [
                self._synced_commands(wanted[key])
                | {"server_id": server.id, "astpp_id": key, "astpp_snapshot": _plain(wanted[key])}
                for key in wanted
                if key in missing
            ]
        )
        changed = self.browse()
        for key, record in by_id.items():
            if vals := record._synced_changes(wanted[key]):
                record.write(self._synced_commands(vals) | {"astpp_snapshot": _plain(wanted[key])})
                changed |= record
        return created, changed

    def _synced_changes(self, wanted):
        """Return the values to write: what ASTPP says that is not so here, and may be."""
        self.ensure_one()
        before = self.astpp_snapshot or {}
        changes = {}
        for name, value in _plain(wanted).items():
            current = self._synced_value(name)
            if current == value:
                continue
            untouched = current == before.get(name, current)
            if name in self._astpp_owned or (value != before.get(name) and untouched):
                changes[name] = wanted[name]
        if not changes and _plain(wanted) != before:
            # Nothing to take over, but the accountant's value is now compared with a new one.
            self.astpp_snapshot = _plain(wanted)
        return changes

    def _synced_value(self, name):
        field, value = self._fields[name], self[name]
        if field.type == "many2one":
            return value.id
        if field.type == "many2many":
            return sorted(value.ids)
        return _plain({name: value})[name]

    def _synced_commands(self, vals):
        return {
            name: [Command.set(value)] if self._fields[name].type == "many2many" else value
            for name, value in vals.items()
        }


def _plain(vals):
    """Return values as JSON holds them."""
    plain = {}
    for name, value in vals.items():
        known = value if value is not None else False
        plain[name] = known if isinstance(known, (bool, int, float, str, list)) else str(known)
    return plain
