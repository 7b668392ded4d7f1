from odoo import api, fields, models

from ...connector import readers


class AstppDid(models.Model):
    """Mirror ASTPP's inventory of numbers."""

    _inherit = "astpp.did"

    @api.model
    def _sync(self, run):
        """Mirror ASTPP's inventory."""
        server = run.server
        records = list(readers.read_dids(run.database, run.left_out.add))
        accounts = server._synced_ids("astpp.account")
        off_by_odoo = self._off_by_odoo(server, records, accounts)
        countries = {country.code: country.id for country in self.env["res.country"].search([("code", "!=", False)])}
        created, changed = self._merge_synced(
            server,
            {
                did.id: {
                    "number": did.number,
                    "account_id": accounts.get(did.account_id, False),
                    "reseller_id": accounts.get(did.reseller_id, False),
                    "provider_id": accounts.get(did.provider_id, False),
                    "country_id": countries.get(did.country, False),
                    "city": did.city,
                    "price": float(did.price),
                    "astpp_product_id": did.product_id,
                    "active": did.active or did.id in off_by_odoo,
                }
                for did in records
            },
            run.left_out,
            run.commit,
        )
        run.note(len(records), len(created), len(changed))

    def _after_merge(self, created):
        res = super()._after_merge(created)
        self._follow_owner()
        return res

    def _synced_changes(self, wanted, current):
        """Keep an owner or a holder that Odoo assigned or removed until ASTPP itself changes it.

        If no customer has the number, its owner is the reseller who holds it, provided Odoo assigned it to him.
        """
        if not wanted["account_id"] and wanted["reseller_id"] and self.account_id.id == wanted["reseller_id"]:
            wanted = wanted | {"account_id": self.account_id.id}
        changes = super()._synced_changes(wanted, current)
        before = self.astpp_snapshot or {}
        ours = self.server_id.renewals_by == "odoo" or self.server_id.write_did
        for name in ("account_id", "reseller_id"):
            if ours and wanted[name] == before.get(name):
                changes.pop(name, None)
        return changes

    def _follow_owner(self):
        """Update the ownership history to match ASTPP."""
        running = {
            assignment.did_id: assignment for assignment in self.assignment_ids.filtered(lambda a: not a.date_end)
        }
        moved = self.filtered(lambda did: running.get(did, self.assignment_ids.browse()).account_id != did.account_id)
        ended = self.env["astpp.did.assignment"].union(*(running[did] for did in moved if did in running))
        ended.sudo().date_end = fields.Datetime.now()
        # A unique index allows one open assignment per number: close the old one before creating the new one.
        ended.flush_recordset()
        owned = moved.filtered("account_id")
        owned.write({"quarantine_until": False, "reserved_account_id": False})
        self.env["astpp.did.assignment"].sudo().create(
            [{"did_id": did.id, "account_id": did.account_id.id, "held_before_id": did.reseller_id.id} for did in owned]
        )
