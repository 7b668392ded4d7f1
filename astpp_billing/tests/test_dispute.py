from odoo.exceptions import UserError
from odoo.tests import tagged

from .portal_walk_common import PortalWalkCommon


@tagged("post_install", "-at_install")
class TestDispute(PortalWalkCommon):
    """A customer disputes calls on the portal; an accountant credits them or refuses, and the customer is told."""

    def setUp(self):
        super().setUp()
        self.move = self.moves["customer"]
        self.usage = self.env["astpp.usage"].search([("move_id", "=", self.move.id)])
        self.url = f"/my/invoices/{self.move.id}/dispute"

    def dispute(self, actor="customer", usage=None, reason="Not my call", **values):
        self.sign_in(actor)
        form = {"usage_id": [str(line.id) for line in usage or self.usage], "reason": reason, **values}
        response = self.post(self.url, form)
        self.env.invalidate_all()
        return response, self.env["astpp.dispute"].search([("move_id", "=", self.move.id)])

    def page(self):
        return self.get(f"/my/charges?invoice_id={self.move.id}").text

    def test_asked_on_the_portal_and_credited(self):
        self.sign_in("customer")
        self.assertIn(f'value="{self.usage.id}"', self.page())
        _response, dispute = self.dispute(reason="<b>Not</b> my call")
        self.assertIn("will see to it", self.page())
        self.assertEqual((dispute.usage_ids, dispute.amount, dispute.state), (self.usage, self.usage.amount, "open"))
        self.assertEqual(dispute.activity_ids.user_id, self.server.responsible_id or self.env.ref("base.user_root"))
        self.assertIn("&lt;b&gt;Not&lt;/b&gt;", self.page())
        wizard = self.env["astpp.usage.credit"].with_context(**dispute.action_credit()["context"]).create({})
        self.assertEqual((wizard.usage_ids, wizard.dispute_id), (self.usage, dispute))
        wizard.action_credit()
        self.assertEqual((dispute.state, dispute.credit_ids), ("credited", self.move.reversal_move_ids))
        self.assertFalse(dispute.activity_ids)
        self.assertIn(self.move.partner_id, dispute.message_ids[0].partner_ids)
        dispute.credit_ids.invoice_date = "2024-02-03"
        dispute.credit_ids.action_post()
        page = self.page()
        self.assertIn("Credited", page)
        self.assertNotIn(f'value="{self.usage.id}"', page)
        with self.assertRaisesRegex(UserError, "closed already"):
            dispute.action_credit()

    def test_refused_with_an_answer(self):
        _response, dispute = self.dispute()
        with self.assertRaisesRegex(UserError, "Write the answer"):
            dispute.action_refuse()
        dispute.answer = "The call was made from your office."
        dispute.action_refuse()
        self.assertIn("made from your office", self.page())
        self.assertIn("made from your office", dispute.message_ids[0].body)
        self.assertEqual(self.usage.billing_state, "billed")

    def test_once(self):
        _response, dispute = self.dispute()
        self.assertEqual(len(dispute), 1)
        self.assertEqual(self.dispute()[1], dispute)
        self.assertIn("disputed already", self.page())

    def test_of_what_is_ones_own(self):
        """Nobody disputes invoices or lines of others; those who issue an invoice do not dispute it."""
        for actor in ("stranger", "other", "child", "parent", "reseller"):
            response, dispute = self.dispute(actor)
            self.assertEqual((response.status_code, len(dispute)), (404, 0), actor)
        others = self.env["astpp.usage"].search([("move_id", "=", self.moves["stranger"].id)])
        response, dispute = self.dispute(usage=others)
        self.assertFalse(dispute)
        self.assertIn("Tick the calls", self.page())
        self.assertFalse(self.dispute(reason=" ")[1])
        self.assertIn("Say what is wrong", self.page())
        self.sign_in("reseller")
        self.assertNotIn("astpp_dispute_form", self.page())

    def test_not_too_often(self):
        self.env["ir.config_parameter"].set_param("astpp_billing.limit_dispute", "1")
        self.dispute(reason=" ")
        self.env["astpp.portal.act"].with_user(self.env["res.users"].search([("login", "=", "walk.customer")]))._spend(
            "dispute"
        )
        self.assertFalse(self.dispute()[1])
        self.assertIn("too much at a time", self.page())
