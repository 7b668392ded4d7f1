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
            run.commit,
        )
        run.note(len(records), len(created), len(changed))

    def _synced_changes(self, wanted, current):
        """Keep a coupon that was redeemed in Odoo as used until ASTPP has been told.

        Where it was redeemed in ASTPP before that, ASTPP's customer has it, and Odoo's credit is held.
        """
        changes = super()._synced_changes(wanted, current)
        if self.state != "used" or not (redeemed := self._redemption()):
            return changes
        if wanted["state"] != "used":
            for name in ("state", "account_id", "used_date"):
                changes.pop(name, None)
        elif redeemed.state != "applied" and (
            redeemed.state in ("off", "failed") or wanted["account_id"] != self.account_id.id
        ):
            owner = self.env["astpp.account"].browse(wanted["account_id"] or ()).display_name
            self._lose(self.env._("ASTPP says that it was redeemed there by %s.", owner or self.env._("somebody")))
        return changes

    def _redemption(self):
        """Return the change by which ASTPP is told that this coupon was redeemed in Odoo, if it was."""
        domain = [("server_id", "=", self.server_id.id), ("key", "=", self._credit_key())]
        return self.env["astpp.outbox"].sudo().search(domain)
