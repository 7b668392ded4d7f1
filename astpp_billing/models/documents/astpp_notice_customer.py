from odoo import fields, models
from odoo.fields import Domain

from .astpp_subscription import LAYOUT, MAIL_VALUES


class AstppNotice(models.Model):
    """One reminder for all that is overdue of a customer, where the issuer wants it so."""

    _inherit = "astpp.notice"

    def _remind_customer(self):
        """Create one mail about all overdue items of the invoice's customer, and return the values for the notice.

        Other reminders that wait for the same customer and issuer are in it, and go out no more.
        """
        self.ensure_one()
        move = self.move_id.sudo()
        template = self.env.ref("astpp_billing.mail_template_overdue_all").sudo()
        items = move._astpp_overdue_items()
        documents = self.env["account.move"].union(*(each for _kind, each in items if each._name == "account.move"))
        attachments = self.env["ir.attachment"].union(*(each._astpp_attachments() for each in documents))
        values = {**MAIL_VALUES, "attachment_ids": [(4, attachment.id) for attachment in attachments]}
        self._hand_over(template.send_mail_batch(move.ids, email_values=values, email_layout_xmlid=LAYOUT))
        others = self.search(self._same_debtor() & Domain("state", "=", "waiting") & Domain("id", "!=", self.id))
        same = others.try_lock_for_update(allow_referencing=True)
        same.write({"state": "off", "message": self.env._("It is in the reminder of %s.", move.name)})
        return {"state": "queued", "mailed_date": fields.Datetime.now()}

    def _same_debtor(self):
        """Return the domain of overdue reminders to the customer and of the issuer of this notice's invoice."""
        move = self.move_id.sudo()
        customer, issuer = move.commercial_partner_id.id, move.astpp_issuer_id.id
        of_invoices = Domain("move_id.astpp_issuer_id", "=", issuer) & Domain(
            "move_id.commercial_partner_id", "=", customer
        )
        of_openings = Domain("opening_id.issuer_id", "=", issuer) & Domain(
            "opening_id.account_id.partner_id.commercial_partner_id", "=", customer
        )
        return Domain("kind", "=", "overdue") & (of_invoices | of_openings)


class AccountMove(models.Model):
    """What else the customer of an invoice owes its issuer."""

    _inherit = "account.move"

    def _astpp_overdue_items(self):
        """Return [("invoice" or "opening", record)] of the customer's overdue items with this issuer, oldest first."""
        self.ensure_one()
        today = fields.Date.context_today(self)
        issuer, customer = self.sudo().astpp_issuer_id, self.commercial_partner_id
        moves = self.sudo().search(
            [
                *[("astpp_issuer_id", "=", issuer.id), ("partner_id", "child_of", customer.id), ("state", "=", "posted")],
                *[("move_type", "=", "out_invoice"), ("payment_state", "in", ("not_paid", "partial"))],
                ("line_ids", "any", [("account_type", "=", "asset_receivable"), ("amount_residual", ">", 0),
                                     ("date_maturity", "<", today)]),
            ]
        )  # fmt: skip
        openings = (
            self.env["astpp.opening"]
            .sudo()
            .search(
                [
                    *[("issuer_id", "=", issuer.id), ("partner_id", "child_of", customer.id), ("kind", "=", "invoice")],
                    *[("date_due", "<", today), ("move_id.state", "=", "posted")],
                    ("line_ids", "any", [("amount_residual", ">", 0)]),
                ]
            )
        )
        # What the customer's credit pays is not asked for.
        covered = self._astpp_covered_by_credit(customer, self.company_id)
        moves = moves.filtered(lambda move: move.id not in covered)
        openings = openings.filtered(lambda opening: -opening.id not in covered)
        items = [("invoice", move.with_context(astpp_due_until=fields.Date.to_string(today))) for move in moves]
        items += [("opening", opening) for opening in openings]
        return sorted(items, key=lambda item: (item[1]._astpp_due_day(), item[1].id))


class AstppOpening(models.Model):
    """An opening item among others that are overdue, in the words of invoices."""

    _inherit = "astpp.opening"

    def _astpp_due_day(self):
        return self.date_due

    def _astpp_amount_due(self):
        return self._open_amount()
