from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ..astpp_guard_mixin import ours


class AstppDispute(models.Model):
    """A customer's request to credit single calls or charges of an invoice, and the answer."""

    _name = "astpp.dispute"
    _description = "Dispute"
    _inherit = ["mail.thread", "astpp.alert.mixin"]
    _order = "id desc"
    _rec_name = "move_id"

    move_id = fields.Many2one(
        "account.move", string="Invoice", required=True, readonly=True, ondelete="cascade", index=True
    )
    company_id = fields.Many2one(related="move_id.company_id", store=True, index=True)
    partner_id = fields.Many2one(related="move_id.partner_id", store=True)
    server_id = fields.Many2one(related="move_id.astpp_account_id.server_id")
    currency_id = fields.Many2one(related="server_id.currency_id")
    usage_ids = fields.Many2many("astpp.usage", string="Disputed", readonly=True)
    usage_count = fields.Integer(string="Lines", compute="_compute_amount")
    amount = fields.Monetary(
        compute="_compute_amount", help="What is disputed, without taxes, in the server's base currency."
    )
    reason = fields.Text(required=True, readonly=True, help="As the customer wrote it.")
    answer = fields.Text(help="The customer reads it on the portal and in a mail.")
    state = fields.Selection(
        [("open", "Open"), ("credited", "Credited"), ("refused", "Refused")],
        default="open",
        required=True,
        readonly=True,
        tracking=True,
    )
    credit_ids = fields.Many2many("account.move", string="Credit Notes", readonly=True)

    @api.depends("usage_ids")
    def _compute_amount(self):
        for dispute in self:
            dispute.usage_count = len(dispute.usage_ids)
            dispute.amount = sum(dispute.usage_ids.mapped("amount"))

    @api.model
    def _ask(self, move, usage, reason):
        """Open a dispute and tell the person responsible.

        :param move: ``account.move``, an invoice that the customer may see
        :param usage: ``astpp.usage``, lines of it
        :raise UserError: when a line is disputed or credited already, or no reason is given
        """
        if not usage:
            raise UserError(self.env._("Tick the calls or charges that you dispute."))
        if not reason.strip():
            raise UserError(self.env._("Say what is wrong with them."))
        move._astpp_serialise()
        if usage.filtered(lambda line: line.total_id.state != "billed" or line.total_id.credit_ids):
            raise UserError(self.env._("Some of them are credited already."))
        if self.search_count([("state", "=", "open"), ("usage_ids", "in", usage.ids)], limit=1):
            raise UserError(self.env._("Some of them are disputed already. You will get an answer."))
        dispute = self.create({"move_id": move.id, "usage_ids": [fields.Command.set(usage.ids)], "reason": reason})
        summary = self.env._("%(customer)s disputes %(invoice)s", customer=move.partner_id.name, invoice=move.name)
        dispute._raise_alert("dispute", summary, reason)
        return dispute

    def action_credit(self):
        """Ask how the disputed lines are credited."""
        self.ensure_one()
        self._check_open()
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage_credit")
        return action | {
            "context": {
                "default_usage_ids": self.usage_ids.ids,
                "default_dispute_id": self.id,
                "default_reason": self.env._("your dispute of %s", format_date(self.env, self.create_date)),
            }
        }

    @ours
    def action_refuse(self):
        """Close the dispute without a credit; the customer gets the answer.

        :raise UserError: without an answer
        """
        self._check_open()
        if self.filtered(lambda dispute: not (dispute.answer or "").strip()):
            raise UserError(self.env._("Write the answer to the customer first."))
        self.state = "refused"
        self._tell()

    @ours
    def _credited(self, credit_notes):
        """Close the dispute: these credit notes settle it."""
        self._check_open()
        self.write({"state": "credited", "credit_ids": [fields.Command.set(credit_notes.ids)]})
        self._tell()

    def _check_open(self):
        if closed := self.filtered(lambda dispute: dispute.state != "open"):
            raise UserError(self.env._("The dispute of %s is closed already.", closed[0].move_id.display_name))

    def _tell(self):
        """Mail the customer what became of his disputes, from the issuer's address."""
        labels = dict(self._fields["state"]._description_selection(self.env))
        for dispute in self:
            texts = [f"{labels[dispute.state]}.", dispute.answer]
            dispute._clear_alert("dispute")
            dispute.message_post(
                body="\n".join(filter(None, texts)),
                subject=self.env._("Your dispute of %s", dispute.move_id.name),
                partner_ids=dispute.partner_id.ids,
                email_from=dispute.move_id.astpp_issuer_id.sudo()._email_from() or None,
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
            )
