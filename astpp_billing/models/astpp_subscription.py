from odoo import api, fields, models


class AstppSubscription(models.Model):
    """An ordered product that renews: a package, a subscription, or a DID."""

    _name = "astpp.subscription"
    _description = "ASTPP Subscription"
    _inherit = ["mail.thread", "astpp.synced.mixin"]
    _order = "next_date, id"
    _check_company_auto = True

    name = fields.Char(string="Order", required=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True)
    account_id = fields.Many2one("astpp.account", required=True, ondelete="restrict", index=True, tracking=True)
    partner_id = fields.Many2one(related="account_id.partner_id", store=True)
    issuer_id = fields.Many2one(related="account_id.issuer_id", store=True)
    product_id = fields.Many2one("product.product", required=True, ondelete="restrict", index=True, tracking=True)
    did_id = fields.Many2one("astpp.did", string="DID", ondelete="restrict", index="btree_not_null")
    quantity = fields.Integer(default=1)
    price = fields.Float(digits=(20, 6), help="Per period and piece, in the server's base currency.", tracking=True)
    setup_fee = fields.Float(digits=(20, 6))
    currency_id = fields.Many2one(related="server_id.currency_id")
    recurring = fields.Boolean(default=True)
    period_days = fields.Integer(string="Days per Period")
    free_minutes = fields.Integer(string="Included Minutes")
    start_date = fields.Datetime(string="Period Start")
    next_date = fields.Datetime(string="Next Renewal", index=True, help="The paid period ends then.")
    end_date = fields.Datetime()
    state = fields.Selection(
        [("draft", "Draft"), ("active", "Active"), ("suspended", "Suspended"), ("terminated", "Terminated")],
        default="draft",
        required=True,
        tracking=True,
    )
    close_reason = fields.Char()

    _astpp_owned = frozenset({"start_date", "next_date", "end_date", "state", "close_reason", "account_id"})
    _astpp_uniq = models.UniqueIndex("(server_id, astpp_id) WHERE astpp_id IS NOT NULL AND astpp_id != 0")

    @api.model
    def _sync(self, server, records):
        """Mirror orders; those of unknown accounts or products wait for them.

        :param records: iterable of ``connector.records.Order``
        :return: (created, changed, number of orders left out)
        """
        accounts = server._synced_ids("astpp.account")
        products = server._synced_product_ids()
        dids = {did.astpp_product_id: did.id for did in self.env["astpp.did"].search([("server_id", "=", server.id)])}
        did_product = self.env.ref("astpp_billing.product_did").id
        wanted, left_out = {}, 0
        for order in records:
            is_did = order.category == "did"
            account_id = accounts.get(order.account_id)
            product_id = did_product if is_did else products.get(order.product_id)
            if not account_id or not product_id:
                left_out += 1
                continue
            state = "terminated" if order.terminated else "active" if order.paid else "draft"
            wanted[order.item_id] = {
                "name": order.number,
                "account_id": account_id,
                "product_id": product_id,
                "did_id": dids.get(order.product_id, False) if is_did else False,
                "quantity": order.quantity,
                "price": float(order.price),
                "setup_fee": float(order.setup_fee),
                "recurring": order.recurring,
                "period_days": order.billing_days,
                "free_minutes": order.free_minutes,
                "start_date": order.start,
                "next_date": order.period_end if not order.terminated else False,
                "end_date": order.end,
                "state": state,
                "close_reason": order.note if order.terminated else False,
            }
        return *self._merge_synced(server, wanted), left_out
