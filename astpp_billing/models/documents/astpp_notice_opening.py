from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from .astpp_subscription import LAYOUT, MAIL_VALUES


class AstppNotice(models.Model):
    """Remind customers of invoices that ASTPP issued before the take-over, by their issuers' settings."""

    _inherit = "astpp.notice"

    @api.model
    def _note_overdue_openings(self):
        """Note opening items that are overdue; what the customer's credit covers is not reminded of."""
        today = fields.Date.context_today(self)
        overdue = self.env["astpp.opening"].search(
            [
                *[("kind", "=", "invoice"), ("date_due", "<", today), ("move_id.state", "=", "posted")],
                ("line_ids", "any", [("amount_residual", ">", 0)]),
            ]
        )
        if not overdue:
            return
        partners, companies = overdue.partner_id.commercial_partner_id, overdue.company_id
        covered = self.env["account.move"]._astpp_covered_by_credit(partners, companies)
        rows, now, reminded = [], fields.Datetime.now(), set()
        for opening in overdue.filtered(lambda each: -each.id not in covered).sorted("date_due"):
            debtor = opening.partner_id.commercial_partner_id, opening.issuer_id
            if opening.issuer_id.reminders == "customer" and debtor in reminded:
                # The oldest one's mail names the others.
                continue
            reminded.add(debtor)
            late = (today - opening.date_due).days
            if reached := [step for step in opening.issuer_id._overdue_steps() if step <= late]:
                date = fields.Datetime.to_datetime(opening.date_due) + timedelta(days=reached[-1])
                rows.append((opening.id, opening.company_id.id, "overdue", date, "waiting", 0, self.env.uid, now))
        if not rows:
            return
        self.flush_model()
        self.env.cr.execute_values(
            """
            INSERT INTO astpp_notice (opening_id, company_id, kind, date, state, attempts, create_uid, create_date)
            VALUES %s ON CONFLICT DO NOTHING
            """,
            rows,
            page_size=1000,
        )

    def _opening_outcome(self):
        """Create the mail about an opening item and return the values to write on the notice."""
        self.ensure_one()
        opening = self.opening_id.sudo()
        wanted = opening.issuer_id.notify_due and opening.partner_id.astpp_mail_reminders
        key = self.env["account.move"]._astpp_covered_by_credit(opening.partner_id, opening.company_id)
        if not wanted or opening._open_amount() <= 0 or -opening.id in key:
            return {"state": "off"}
        if not opening.partner_id.email:
            return {"state": "no_address"}
        if reason := opening.issuer_id._sender_missing():
            raise UserError(reason)
        template = self.env.ref("astpp_billing.mail_template_opening_overdue").sudo()
        mails = template.send_mail_batch(opening.ids, email_values=MAIL_VALUES, email_layout_xmlid=LAYOUT)
        self._hand_over(mails)
        return {"state": "queued", "mailed_date": fields.Datetime.now()}


class AstppOpening(models.Model):
    """What a customer still owes of an opening item."""

    _inherit = "astpp.opening"

    def _others_overdue(self):
        """Return the customer's other overdue items with this issuer, where one reminder shall name all of them."""
        self.ensure_one()
        if self.issuer_id.reminders != "customer":
            return self.browse()
        domain = [
            *[("issuer_id", "=", self.issuer_id.id), ("kind", "=", "invoice"), ("id", "!=", self.id)],
            *[("partner_id", "child_of", self.partner_id.commercial_partner_id.id), ("move_id.state", "=", "posted")],
            *[("date_due", "<", fields.Date.context_today(self)), ("line_ids", "any", [("amount_residual", ">", 0)])],
        ]
        return self.sudo().search(domain, order="date_due, id")

    def _open_amount(self):
        """Return what is open of this item in Odoo, in the server's base currency; 0 while its entry is a draft."""
        self.ensure_one()
        posted = self.sudo().line_ids.filtered(lambda line: line.parent_state == "posted")
        return sum(posted.mapped("amount_residual_currency"))
