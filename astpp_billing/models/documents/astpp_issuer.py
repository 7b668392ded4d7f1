from odoo import api, fields, models
from odoo.exceptions import ValidationError


class AstppIssuer(models.Model):
    """What an issuer tells its customers, when, and in whose name."""

    _inherit = "astpp.issuer"

    notice_days = fields.Integer(
        string="Remind Before Renewal", default=3, tracking=True, help="Days before a renewal. 0: no reminder."
    )
    notify_reminder = fields.Boolean(string="Remind of Renewals", default=True, tracking=True)
    notify_renewed = fields.Boolean(string="Mail Renewals", default=True, tracking=True)
    notify_ended = fields.Boolean(string="Mail Suspensions and Ends", default=True, tracking=True)
    notify_invoice = fields.Boolean(string="Mail New Invoices", default=True, tracking=True)
    notify_payment = fields.Boolean(string="Mail Payments Received", default=True, tracking=True)
    notify_due = fields.Boolean(string="Remind of Open Invoices", default=True, tracking=True)
    due_days = fields.Integer(
        string="Remind Before Due", default=3, tracking=True, help="Days before an invoice is due. 0: no reminder."
    )
    overdue_days = fields.Char(
        string="Overdue After",
        default="3, 14, 30",
        tracking=True,
        help="Days after which open invoices are reminded of, such as 3, 14, 30. Empty: never.",
    )

    reminders = fields.Selection(
        [("invoice", "One for each invoice"), ("customer", "One for all that is overdue of a customer")],
        string="Overdue Reminders",
        default="invoice",
        required=True,
        tracking=True,
    )
    mail_template_id = fields.Many2one(
        "mail.template",
        string="Invoice Mail",
        domain="[('model', '=', 'account.move')]",
        ondelete="restrict",
        help="Subject and text of the mail with new invoices. Empty: the one of ASTPP Billing. Sender and reply address are the "
        "issuer's in any case.",
    )
    pdf_report_id = fields.Many2one(
        "ir.actions.report",
        string="Invoice Layout",
        domain="[('model', '=', 'account.move'), ('is_invoice_report', '=', True)]",
        ondelete="restrict",
        help="Empty: the contact's or journal's, or else Odoo's invoice.",
    )
    without_einvoice = fields.Selection(
        [("wait", "Does not go out: somebody is told"), ("send", "Goes out without it")],
        string="An Invoice Whose E-Invoice Cannot Be Made",
        default="wait",
        required=True,
        tracking=True,
        help="Only for customers whose contact asks for an electronic format, such as XRechnung.",
    )

    # Limits, because dates too far away to be computed would stop everybody's mails.
    _notice_range = models.Constraint(
        "CHECK(notice_days BETWEEN 0 AND 365 AND due_days BETWEEN 0 AND 365)", "Days of notice are 0 to 365."
    )

    @api.constrains("overdue_days")
    def _check_overdue_days(self):
        for issuer in self:
            try:
                steps = issuer._overdue_steps()
            except ValueError:
                steps = [-1]
            if steps and steps[0] < 1:
                raise ValidationError(
                    self.env._("“%s” is no list of days: write whole numbers such as 3, 14, 30.", issuer.overdue_days)
                )

    def _overdue_steps(self):
        """Return, in order, how many days after the due date open invoices are reminded of."""
        self.ensure_one()
        return sorted({int(days) for days in (self.overdue_days or "").split(",") if days.strip()})

    def _sender_missing(self):
        """Return why nothing can be mailed in a reseller's name, or None; the operator's must not stand in."""
        if not self.account_id or self._email_from():
            return None
        return self.env._("Issuer %s has no e-mail address: enter one on his contact.", self.name)
