from odoo import api, models

from ...connector import readers


class AstppCoupon(models.Model):
    """Mirror ASTPP's coupons."""

    _inherit = "astpp.coupon"

    @api.model
    def _sync(self, run):
        """Mirror ASTPP's coupons."""
        server = run.server
        records = list(readers.read_coupons(run.database, run.left_out.add))
        accounts = server._synced_ids("astpp.account")
        currencies = {
            currency.name: currency.id
            for currency in self.env["res.currency"].with_context(active_test=False).search([])  # pylint: disable=no-search-all
        }
        created, changed = self._merge_synced(
            server,
            {
                coupon.id: {
                    "number": coupon.number,
                    "amount": float(coupon.amount),
                    "currency_id": currencies.get(coupon.currency) or server.currency_id.id,
                    "state": coupon.state,
                    "account_id": accounts.get(coupon.account_id, False),
                    "reseller_id": accounts.get(coupon.reseller_id, False),
                    "used_date": coupon.used if coupon.state == "used" else False,
                    "created_date": coupon.created,
                    "description": coupon.description,
                }
                for coupon in records
            },
            run.left_out,
        )
        run.note(len(records), len(created), len(changed))

    def _synced_changes(self, wanted, current):
        """Keep a coupon that was redeemed in Odoo as used until ASTPP has been told."""
        changes = super()._synced_changes(wanted, current)
        if self.state == "used" and wanted["state"] == "unused":
            for name in ("state", "account_id", "used_date"):
                changes.pop(name, None)
        return changes
