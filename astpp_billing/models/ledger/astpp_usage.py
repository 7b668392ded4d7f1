from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ... import charge_types

SOURCES = [
    ("cdr", "Call Record"),
    ("reseller_cdr", "Reseller Call Record"),
    ("charge", "ASTPP Charge"),
    ("subscription", "Subscription"),
    ("import", "Report Import"),
    ("api", "API"),
    ("credit", "Top-up or Coupon"),
    ("manual", "Manual"),
]
EXCEPTIONS = [
    ("duplicate", "Exact Duplicate"),
    ("unknown_account", "Unknown Account"),
    ("blank_type", "Blank or Unknown Type"),
    ("astpp_invoiced", "Invoiced by ASTPP"),
    ("changed", "Changed in ASTPP"),
    ("gone", "Gone from ASTPP"),
    ("clamped", "Duration Cut Off"),
    ("suspect_rating", "Suspect Rating"),
    ("renewed", "Renewal Charged by Odoo as Well"),
    ("coupon", "Coupon Used in ASTPP as Well"),
]
# What a line's total depends on.
TOTALLED = {
    *("server_id", "account_id", "partner_id", "issuer_id", "charge_type", "direction", "product_id", "prepaid"),
    *("elsewhere", "exception", "date", "duration", "rated_amount", "amount", "cost"),
}
# Fields that users may write: on manual charges, and on usage that was delivered by ASTPP.
EDITABLE = {"account_id", "date", "charge_type", "amount", "rated_amount", "description", "product_id"}
EDITABLE_DELIVERED = {"product_id"}


class CopiedMany2one(fields.Many2one):
    """A many2one without a foreign key, usually copied from the account.

    Checking six foreign keys costs more than inserting the row. The references stay valid all the same:
    the account has foreign keys of its own, and the other models refuse to delete records that have usage.
    """

    def update_db_foreign_key(self, model, column):
        pass


class AstppUsage(models.Model):
    """The ledger: every billable event exactly once, linked to the invoice line that bills it."""

    _name = "astpp.usage"
    _description = "ASTPP Usage"
    _order = "date desc, id desc"
    _rec_name = "description"
    # With tens of millions of rows, log columns are too expensive; ``source`` tells where a row came from.
    _log_access = False

    server_id = CopiedMany2one("astpp.server", required=True, readonly=True)
    company_id = CopiedMany2one("res.company", required=True, readonly=True)
    source = fields.Selection(SOURCES, required=True, default="manual", readonly=True)
    source_key = fields.Char(readonly=True, copy=False, help="Identifies the event in its source.")
    account_id = fields.Many2one("astpp.account", ondelete="restrict")
    account_ref = fields.Char(
        string="Unknown Account", readonly=True, help="The account as the source names it, while Odoo has none for it."
    )
    partner_id = CopiedMany2one("res.partner", string="Customer", readonly=True)
    issuer_id = CopiedMany2one("astpp.issuer", readonly=True)
    date = fields.Datetime(required=True, default=fields.Datetime.now, help="When the call or charge began, in UTC.")
    charge_type = fields.Selection(charge_types.SELECTION, string="Type", required=True, default="charge")
    direction = fields.Selection([("outbound", "Outgoing"), ("inbound", "Incoming")])
    uniqueid = fields.Char(string="Call ID", readonly=True)
    caller = fields.Char()
    callee = fields.Char(string="Number Called")
    destination = fields.Char()
    pattern = fields.Char(string="Prefix", readonly=True)
    disposition = fields.Char(readonly=True)
    duration = fields.Integer(string="Duration (s)", help="Seconds.")
    rated_amount = fields.Float(digits=(20, 6), readonly=True, help="What ASTPP rated, in the server's base currency.")
    amount = fields.Float(digits=(20, 6), help="What is billed, in the server's base currency. Credits are negative.")
    cost = fields.Float(digits=(20, 6), readonly=True, help="What the level above charges for it.")
    currency_id = CopiedMany2one("res.currency", required=True, readonly=True)
    description = fields.Char()
    product_id = fields.Many2one("product.product", ondelete="restrict")
    # No foreign keys needed: subscriptions and DIDs with usage cannot be deleted (see their ``ondelete`` methods).
    subscription_id = CopiedMany2one("astpp.subscription", readonly=True)
    did_id = CopiedMany2one("astpp.did", string="DID", readonly=True)
    period_start = fields.Datetime(readonly=True, help="The period that a renewal pays for begins then, in UTC.")
    period_end = fields.Datetime(readonly=True)
    period_date = fields.Date(
        string="Order's Period", readonly=True, help="The local day on which the order's period that it is for began."
    )
    prepaid = fields.Boolean(
        readonly=True, help="Paid live from the account's balance: never on an invoice, recognised as revenue by month."
    )
    elsewhere = fields.Boolean(
        string="Billed Elsewhere", readonly=True, help="Invoiced by somebody else: history, and on no invoice."
    )
    exception = fields.Selection(EXCEPTIONS, readonly=True, help="Lines with an exception are billed once released.")
    second_exception = fields.Selection(
        EXCEPTIONS, string="Held For as Well", readonly=True, help="What usage is held for once its account is known."
    )
    released_by_id = fields.Many2one("res.users", readonly=True)
    released_date = fields.Datetime(readonly=True)
    # No foreign key needed: deleting an import removes its lines, or fails if some are billed.
    import_id = CopiedMany2one("astpp.usage.import", string="Imported File", readonly=True, copy=False)
    # Says which document bills the line, and repeats what it is held for; only totals change when usage is billed.
    total_id = CopiedMany2one("astpp.usage.total", readonly=True, copy=False)
    move_line_id = fields.Many2one(related="total_id.move_line_id", string="Invoice Line")
    move_id = fields.Many2one(related="total_id.move_id", string="Invoice")
    billing_state = fields.Selection(related="total_id.state", string="State")

    # source_key comes first: keys begin with the time of the event, so new rows are appended at one end of the index.
    _source_key_uniq = models.UniqueIndex("(source_key, source, server_id) WHERE source_key IS NOT NULL")
    _subscription_idx = models.Index("(subscription_id, date) WHERE subscription_id IS NOT NULL")
    _period_idx = models.Index("(subscription_id, period_date) WHERE period_date IS NOT NULL")
    _did_idx = models.Index("(did_id, date) WHERE did_id IS NOT NULL")
    _account_date_idx = models.Index("(account_id, date)")
    _total_idx = models.Index("(total_id, date)")
    _import_idx = models.Index("(import_id) WHERE import_id IS NOT NULL")
    _charge_idx = models.Index("(server_id, (source_key::bigint)) WHERE source = 'charge'")
    _date_idx = models.Index("(date, id)")
    _exception_idx = models.Index("(exception, date) WHERE exception IS NOT NULL")
    _unknown_account_idx = models.Index("(server_id, account_ref) WHERE account_id IS NULL")
    _account_known = models.Constraint(
        "CHECK(account_id IS NOT NULL OR exception IS NOT NULL)", "Usage without an account needs an exception."
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Create manual charges; server, customer, issuer and currency are taken from the account."""
        for vals in vals_list:
            account = self.env["astpp.account"].browse(vals.get("account_id"))
            if not account:
                raise UserError(self.env._("A charge needs an account."))
            if not self.env.su and vals.keys() - EDITABLE:
                raise UserError(self.env._("You can only set account, date, type, amount and description."))
            vals.update(self._owner_vals(account, vals.get("date")), source="manual")
            vals.setdefault("rated_amount", vals.get("amount", 0.0))
        usage = super().create(vals_list)
        usage._retotal(SQL("u.id = ANY(%s)", usage.ids))
        return usage

    @api.model
    def _owner_vals(self, account, date=None):
        """Return the values that a charge repeats of its account, by the account's terms at its date.

        :param date: naive UTC or text; now by default
        """
        server, date = account.server_id, fields.Datetime.to_datetime(date) or fields.Datetime.now()
        term = account.term_ids.filtered(lambda term: term.date_from <= date).sorted("date_from")[-1:] or account
        return {
            "server_id": server.id,
            "company_id": server.company_id.id,
            "partner_id": term.partner_id.id,
            "issuer_id": term.issuer_id.id,
            "currency_id": server.currency_id.id,
            "prepaid": term.payment_mode == "prepaid",
            "elsewhere": "elsewhere" in term and term.elsewhere,
        }

    def write(self, vals):
        self.check_access("write")
        if not self.env.su:
            if self.filtered("move_line_id"):
                raise UserError(self.env._("Billed usage cannot be changed. Credit it on an invoice instead."))
            delivered = self.filtered(lambda usage: usage.source != "manual")
            if vals.keys() - (EDITABLE_DELIVERED if delivered else EDITABLE):
                raise UserError(self.env._("Usage delivered by ASTPP cannot be changed."))
        if {"account_id", "date"} & vals.keys():
            if len(self) > 1:
                # Each has the terms of its own date.
                for usage in self:
                    usage.write(vals)
                return True
            vals = {**vals, **self._moved_vals(vals)}
        if not vals.keys() & TOTALLED:
            return super().write(vals)
        self._untotal()
        res = super().write(vals)
        self._retotal(SQL("u.id = ANY(%s)", self.ids))
        return res

    def _moved_vals(self, vals):
        """Return the values that change when a manual charge moves to another account or date.

        :raise UserError: when the company would change, or the currency would change without a new amount
        """
        account = self.env["astpp.account"].browse(vals["account_id"]) if "account_id" in vals else self.account_id
        if not account and "account_id" in vals:
            raise UserError(self.env._("A charge needs an account."))
        if not account:
            return {}
        for usage in self:
            if usage.company_id != account.company_id:
                raise UserError(self.env._("Account %s belongs to another company.", account.display_name))
            if usage.currency_id != account.server_id.currency_id and "amount" not in vals:
                raise UserError(
                    self.env._(
                        "Account %(account)s is charged in %(new)s, this charge is in %(old)s: enter its amount anew.",
                        account=account.display_name,
                        new=account.server_id.currency_id.name,
                        old=usage.currency_id.name,
                    )
                )
        return self._owner_vals(account, vals.get("date") or self.date)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_evidence(self):
        if self.filtered(lambda usage: usage.move_line_id or usage.source != "manual"):
            raise UserError(self.env._("Only charges entered by hand that are on no invoice can be deleted."))

    def unlink(self):
        self.check_access("unlink")
        self._untotal()
        return super().unlink()

    def action_release(self):
        """Release lines with an exception for billing; for an unknown account, create the account instead."""
        if not self.env.user.has_group("account.group_account_invoice"):
            raise AccessError(self.env._("Only accountants can release usage."))
        if self.filtered(lambda usage: not usage.account_id):
            raise UserError(
                self.env._("Usage of unknown accounts cannot be released. Create the account, and it takes its usage.")
            )
        # sudo: these fields are readonly for users, so that every release records who made it and when.
        self.filtered("exception").sudo().write(
            {"exception": False, "released_by_id": self.env.uid, "released_date": fields.Datetime.now()}
        )

    def action_view_invoice(self):
        """Open the invoice that bills the line."""
        self.ensure_one()
        return self.move_id.get_formview_action()
