import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..astpp_guard_mixin import ours

_logger = logging.getLogger(__name__)

# How many numbers leave quarantine in one savepoint.
BATCH = 1000


class AstppDid(models.Model):
    """A phone number in the inventory."""

    _name = "astpp.did"
    _description = "DID"
    _inherit = ["mail.thread", "astpp.synced.mixin"]
    _order = "number"
    _rec_name = "number"
    _check_company_auto = True

    number = fields.Char(required=True, index=True)
    server_id = fields.Many2one(
        "astpp.server",
        required=True,
        ondelete="restrict",
        default=lambda self: self.env["astpp.server"].search([("company_id", "=", self.env.company.id)], limit=1),
    )
    company_id = fields.Many2one(related="server_id.company_id", store=True, precompute=True)
    currency_id = fields.Many2one(related="server_id.currency_id")
    state = fields.Selection(
        [("free", "Free"), ("reserved", "Reserved"), ("assigned", "Assigned"), ("quarantine", "Quarantine")],
        compute="_compute_state",
        store=True,
        precompute=True,
        tracking=True,
        group_expand=True,
    )
    account_id = fields.Many2one(
        "astpp.account", string="Owner", index="btree_not_null", tracking=True, readonly=True, copy=False
    )
    reserved_account_id = fields.Many2one(
        "astpp.account", string="Reserved For", tracking=True, copy=False, check_company=True
    )
    quarantine_until = fields.Datetime(
        tracking=True, copy=False, help="A number that was released can be sold again from then on."
    )
    reseller_id = fields.Many2one("astpp.account", string="Held by Reseller", index="btree_not_null", tracking=True)
    provider_id = fields.Many2one("astpp.account", domain="[('account_type', '=', 'provider')]")
    country_id = fields.Many2one("res.country")
    city = fields.Char()
    cost = fields.Float(digits=(20, 6), help="What the provider charges per period, in the server's base currency.")
    price = fields.Float(digits=(20, 6), help="Per period, in the server's base currency.")
    setup_fee = fields.Float(digits=(20, 6), help="In the server's base currency.")
    astpp_product_id = fields.Integer(aggregator=None, index=True, copy=False, help="The DID's product inside ASTPP.")
    active = fields.Boolean(default=True)
    off_with_account = fields.Boolean(
        string="Off with Its Owner",
        readonly=True,
        copy=False,
        help="Switched off in ASTPP because its owner is suspended; it is switched on again with him.",
    )
    assignment_ids = fields.One2many("astpp.did.assignment", "did_id", string="Owners")
    subscription_ids = fields.One2many("astpp.subscription", "did_id", string="Subscriptions")
    call_count = fields.Integer(compute="_compute_call_count", string="Calls")

    _astpp_owned = frozenset({"number", "account_id", "reseller_id", "provider_id", "astpp_product_id"})
    _astpp_uniq = models.UniqueIndex("(server_id, astpp_id) WHERE astpp_id IS NOT NULL AND astpp_id != 0")

    @api.depends("account_id", "reserved_account_id", "quarantine_until")
    def _compute_state(self):
        for did in self:
            if did.account_id:
                did.state = "assigned"
            elif did.quarantine_until:
                did.state = "quarantine"
            else:
                did.state = "reserved" if did.reserved_account_id else "free"

    def _compute_call_count(self):
        counts = dict(self.env["astpp.usage"]._read_group([("did_id", "in", self.ids)], ["did_id"], ["__count"]))
        for did in self:
            did.call_count = counts.get(did, 0)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        used = self.env["astpp.usage"].sudo().search_count([("did_id", "in", self.ids)], limit=1)
        if used or self.assignment_ids:
            raise UserError(self.env._("A number that was in use cannot be deleted. Archive it instead."))

    @api.model
    def get_import_templates(self):
        """Return the sample file for importing numbers."""
        return [{"label": self.env._("Inventory of numbers"), "template": "/astpp_billing/static/csv/dids.csv"}]

    @ours
    def _assign(self, subscription):
        """Assign these numbers to the subscription's account.

        A unique index allows one owner at a time, so two sales of the same number cannot both commit. A reseller's
        number may go to an account below it, and returns to the reseller afterwards.

        :raise UserError: when a number is not free
        """
        account = subscription.account_id
        above = account.search([("id", "parent_of", account.parent_id.ids)])
        for did in self:
            # Wait for a concurrent sale of the same number.
            did.lock_for_update()
            if did.account_id == account and not did.assignment_ids.filtered(lambda a: not a.date_end):
                did._open_assignment(account, subscription)
                continue
            reserved_for_other = did.state == "reserved" and did.reserved_account_id != account
            taken = did.state == "assigned" and did.account_id not in above
            if taken or did.state == "quarantine" or reserved_for_other:
                state = dict(self._fields["state"]._description_selection(self.env))[did.state]
                raise UserError(
                    self.env._("The number %(number)s is not free: %(state)s.", number=did.number, state=state)
                )
            did._open_assignment(account, subscription)

    @ours
    def _open_assignment(self, account, subscription):
        self._close_assignments()
        # sudo: the history of owners is readonly for users.
        self.env["astpp.did.assignment"].sudo().create(
            [
                {
                    "did_id": did.id,
                    "account_id": account.id,
                    "subscription_id": subscription.id,
                    "held_before_id": did.reseller_id.id,
                }
                for did in self
            ]
        )
        holder = account if account.account_type == "reseller" else account.parent_id
        self.write(
            {
                "account_id": account.id,
                "reseller_id": holder.id,
                "reserved_account_id": False,
                "quarantine_until": False,
            }
        )

    def _close_assignments(self):
        # sudo: as above.
        self.assignment_ids.sudo().filtered(lambda assignment: not assignment.date_end).date_end = fields.Datetime.now()
        # The unique index allows one open assignment for each number, so close it before the next one opens.
        self.assignment_ids.flush_recordset()

    @ours
    def _release(self, subscriptions):
        """Take numbers back from ending subscriptions.

        A number stays with its owner while another order of the owner pays for it; else it goes to the nearest
        reseller above that has an order of its own for it, or into quarantine.
        """
        now = fields.Datetime.now()
        for did in self:
            if did.account_id not in subscriptions.account_id:
                continue
            if order := did._holding_order():
                did._open_assignment(order.account_id, order)
                continue
            days = did.server_id.did_quarantine_days
            did.write(
                {
                    "account_id": False,
                    "reseller_id": did._holder_without_order().id,
                    "quarantine_until": now + timedelta(days=days) if days else False,
                }
            )
            did._close_assignments()

    def _holding_order(self):
        """Return the running order that pays for the number: the owner's, or that of the nearest reseller above.

        Wholesale orders do not count: they end with the order below.
        """
        self.ensure_one()
        # sudo: users who sell the number may have no access to the orders of resellers above.
        orders = (
            self.env["astpp.subscription"]
            .sudo()
            .search(
                Domain("did_id", "=", self.id)
                & Domain("state", "in", ("active", "suspended"))
                & Domain("account_id", "parent_of", self.account_id.ids)
                & Domain("customer_order_ids", "=", False)
            )
        )
        nearest = orders.sorted(lambda order: order.account_id.parent_path.count("/"), reverse=True)[:1]
        return nearest.sudo(False)

    def _holder_without_order(self):
        """Return the reseller that held the number before its owner got it without having ordered it, if any.

        Such a hold comes from the inventory or from ASTPP, and no order of Odoo's ends it.
        """
        self.ensure_one()
        holder = self.assignment_ids.filtered(lambda assignment: not assignment.date_end)[:1].held_before_id
        # sudo: as in ``_holding_order``.
        ordered = (
            self.env["astpp.subscription"]
            .sudo()
            .search_count(
                [("did_id", "=", self.id), ("account_id", "in", holder.ids), ("customer_order_ids", "=", False)],
                limit=1,
            )
        )
        return holder.browse() if ordered else holder

    def _price_for(self, account, product):
        """Return the number's price for an account: its own price, unless a reseller above has a pricelist for it.

        :param product: the product with which the number is rented
        :return: (price per period, setup fee), in the server's base currency
        """
        self.ensure_one()
        price, fee = product._astpp_price(account)
        issuer = account.issuer_id
        if issuer.account_id and issuer.pricelist_id._get_product_rule(product, 1, date=fields.Datetime.now()):
            return price, fee
        return self.price or price, self.setup_fee or fee

    def action_free(self):
        """End a quarantine or a reservation now."""
        self.filtered(lambda did: not did.account_id).write({"quarantine_until": False, "reserved_account_id": False})

    @api.model
    def _free_quarantined(self):
        """Return numbers to the pool whose quarantine is over."""
        due = self.search([("quarantine_until", "<=", fields.Datetime.now())], order="id")
        for first in range(0, len(due), BATCH):
            due[first : first + BATCH]._end_quarantine()

    def _end_quarantine(self):
        """End the quarantine of these numbers; a number that fails does not block the others."""
        try:
            with self.env.cr.savepoint():
                self.quarantine_until = False
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception:
            middle = len(self) // 2
            if not middle:
                _logger.exception("The quarantine of the number %s cannot be ended", self.number)
                return
            self[:middle]._end_quarantine()
            self[middle:]._end_quarantine()

    def action_view_calls(self):
        """Open the calls to these numbers."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage")
        return action | {"domain": [("did_id", "in", self.ids)], "context": {}}
