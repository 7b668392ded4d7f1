from lxml import etree

from odoo.addons.astpp_billing.tests.common import AstppCommon
from odoo.exceptions import UserError
from odoo.tests import tagged

FORMATS = ("ubl_bis3", "xrechnung", "facturx", "nlcius")


@tagged("post_install", "-at_install")
class TestSeller(AstppCommon):
    """The seller of an electronic invoice is its issuer; the operator is named nowhere in a reseller's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        germany, sweden = cls.env.ref("base.de"), cls.env.ref("base.se")
        cls.env.company.partner_id.write(
            {"name": "Secret Operator", "street": "Secret Street 1", "city": "Berlin", "zip": "10115", "phone": "+49 30 1",
             "country_id": germany.id, "vat": "DE136695976", "email": "secret@operator.example"}
        )  # fmt: skip
        cls.bank = cls.env["res.partner.bank"].create(
            {"partner_id": cls.env.company.partner_id.id, "acc_number": "DE89370400440532013000"}
        )
        cls.seller = cls.reseller.partner_id
        cls.seller.write(
            {"name": "Nordic Voice AB", "street": "Kungsgatan 4", "city": "Stockholm", "zip": "11143", "phone": "+46 8 1",
             "country_id": sweden.id, "vat": "SE556036079301", "email": "billing@nordic.example", "is_company": True}
        )  # fmt: skip
        cls.env["res.partner.bank"].create({"partner_id": cls.seller.id, "acc_number": "SE4550000000058398257466"})
        for account in (cls.customer, cls.reseller_customer):
            account.partner_id.write(
                {"street": "Weg 1", "city": "Köln", "zip": "50667", "country_id": germany.id, "is_company": True,
                 "vat": "DE811907980"}
            )  # fmt: skip
        cls.notices = cls.env["astpp.notice"].sudo()

    def invoice(self, account, *debits, **values):
        self.load(*(self.row(account, debit=debit) for debit in debits or ("10",)))
        return self.bill(account, **values).move_ids

    def export(self, move, kind):
        """Return (tree, errors) of an invoice in a format."""
        builder = self.env["res.partner"]._get_edi_builder(kind)
        content, errors = builder._export_invoice(move)
        return etree.fromstring(content), errors, content.decode()

    def texts(self, tree, name):
        return tree.xpath(f"//*[local-name()='{name}']//text()[normalize-space()]")

    def seller_of(self, tree):
        party = tree.xpath("//*[local-name()='AccountingSupplierParty' or local-name()='SellerTradeParty']")
        self.assertEqual(len(party), 1)
        return [text.strip() for text in party[0].itertext() if text.strip()]

    def test_resellers_invoice_in_each_format(self):
        move = self.invoice(self.reseller_customer, "10", "20")
        for kind in FORMATS:
            with self.subTest(kind):
                tree, errors, content = self.export(move, kind)
                seller = self.seller_of(tree)
                self.assertIn("Nordic Voice AB", seller)
                self.assertIn("SE556036079301", seller)
                self.assertIn("Stockholm", seller)
                self.assertIn("SE4550000000058398257466", content)
                for secret in ("Secret", "DE136695976", "DE89370400440532013000"):
                    self.assertNotIn(secret, content)
                if kind != "nlcius":
                    self.assertFalse(errors)

    def test_operators_invoice_is_the_companys(self):
        move = self.invoice(self.customer)
        for kind in FORMATS:
            tree, _errors, content = self.export(move, kind)
            self.assertIn("Secret Operator", self.seller_of(tree))
            self.assertIn("DE89370400440532013000", content)

    def test_credit_note(self):
        move = self.invoice(self.reseller_customer)
        credit = move._reverse_moves([{"invoice_date": move.invoice_date}])
        credit.action_post()
        for kind in ("ubl_bis3", "facturx"):
            tree, _errors, content = self.export(credit, kind)
            self.assertIn("Nordic Voice AB", self.seller_of(tree))
            self.assertNotIn("Secret", content)

    def test_reseller_without_tax_number(self):
        """There is no e-invoice in the operator's name instead: a reason."""
        self.seller.vat = False
        move = self.invoice(self.reseller_customer)
        _tree, errors, content = self.export(move, "facturx")
        self.assertTrue(any("Nordic Voice" in error or "Tax ID" in error or "VAT" in error for error in errors), errors)
        self.assertNotIn("DE136695976", content)

    def test_company_of_the_resellers_own(self):
        own = self.setup_other_company(name="Nordic Ltd")["company"]
        self.reseller_issuer.sudo().write(
            {"company_id": own.id, "journal_id": False, "clearing_account_id": False, "partner_id": own.partner_id.id}
        )
        move = self.env["account.move"].new({"move_type": "out_invoice", "company_id": own.id})
        move.astpp_issuer_id = self.reseller_issuer
        self.assertFalse(move._astpp_is_resellers())
        self.assertEqual(move._astpp_seller(), own.partner_id)

    def send(self):
        for notice in self.notices._next_mails():
            notice._make_mail()

    def notice(self, move):
        return self.notices.search([("move_id", "=", move.id), ("kind", "=", "invoice")])

    def test_mail_has_the_e_invoice(self):
        """Our scheduled action lets Odoo send, so the contact's format is honoured."""
        self.reseller_customer.partner_id.invoice_edi_format = "ubl_bis3"
        move = self.invoice(self.reseller_customer)
        self.send()
        notice = self.notice(move)
        self.assertEqual(notice.state, "queued", notice.message)
        names = notice.mail_id.attachment_ids.mapped("mimetype")
        self.assertIn("application/xml", names)
        self.assertIn(b"Nordic Voice AB", move.ubl_cii_xml_id.raw)
        self.assertIn(notice.mail_message_id, move.message_ids, "the mail stands in the invoice's chatter")

    def test_e_invoice_that_cannot_be_made(self):
        """It waits with its reason, or goes out without the e-invoice, as the issuer chooses."""
        self.reseller_customer.partner_id.invoice_edi_format = "ubl_bis3"
        self.seller.country_id = False
        move = self.invoice(self.reseller_customer)
        self.send()
        notice = self.notice(move)
        self.assertEqual(notice.state, "failed")
        self.assertIn("EDI", notice.message)
        self.assertFalse(move.ubl_cii_xml_id)
        self.reseller_issuer.without_einvoice = "send"
        notice.action_retry()
        self.send()
        self.assertEqual(notice.state, "queued", notice.message)
        self.assertTrue(move.invoice_pdf_report_id)
        self.assertFalse(move.ubl_cii_xml_id)

    def test_documents_by_hand(self):
        self.customer.partner_id.with_company(self.env.company).invoice_sending_method = "manual"
        move = self.invoice(self.customer)
        self.send()
        self.assertEqual(self.notice(move).state, "off")
        self.assertTrue(move.invoice_pdf_report_id)

    def test_web_services(self):
        """Addons that call web services commit: nothing of ours is around that, and a crash is told, not done again."""
        move = self.invoice(self.customer)
        notice, marked = self.notice(move), []
        send = type(self.env["account.move.send"])

        def serve(sender, moves, **_settings):
            marked.append(notice.state)
            raise UserError(sender.env._("The access point is closed."))

        self.patch(self.registry["ir.cron"], "_commit_progress", lambda *_args, **_kwargs: 1.0)
        self.patch(self.env.cr, "rollback", lambda: None)
        self.patch(type(move), "_astpp_calls_services", lambda _move: True)
        self.patch(send, "_generate_and_send_invoices", serve)
        move._astpp_store_pdf(to_mail=True)
        self.assertFalse(move.invoice_pdf_report_id, "its documents are made when it is sent")
        notice._make_mail()
        self.assertEqual((marked, notice.state), (["failed"], "failed"))
        self.assertEqual(notice.message, "The access point is closed.")

    def test_portal_shows_the_pdf_in_any_case(self):
        self.reseller_customer.partner_id.invoice_edi_format = "ubl_bis3"
        self.seller.country_id = False
        move = self.invoice(self.reseller_customer)
        move._astpp_store_pdf(to_mail=True)
        self.assertFalse(move.invoice_pdf_report_id)
        move._astpp_store_pdf()
        self.assertTrue(move.invoice_pdf_report_id)

    def test_zero_invoice_has_a_tax(self):
        """A format wants a tax on each line, also where nothing was used."""
        self.operator.invoice_no_usage = True
        move = self.bill(self.customer).move_ids
        self.assertEqual(move.amount_total, 0)
        tree, errors, _content = self.export(move, "ubl_bis3")
        self.assertFalse([error for error in errors if "tax" in error.lower()], errors)
        self.assertIn("Secret Operator", self.seller_of(tree))

    def test_flat_taxes_and_credits(self):
        """ASTPP's fixed taxes, lines without a tax and negative lines break no document and no e-invoice's sums."""
        flat = self.env["account.tax"].create(
            {"name": "Flat", "amount_type": "fixed", "amount": 2, "type_tax_use": "sale"}
        )
        self.customer.tax_ids = self.tax_sale_a | flat
        self.env["astpp.usage"].create(
            {"account_id": self.customer.id, "amount": -3, "date": "2024-01-15", "charge_type": "credit"}
        )
        move = self.invoice(self.customer, "10", "20")
        for kind in ("ubl_bis3", "facturx"):
            tree, _errors, _content = self.export(move, kind)
            totals = self.texts(tree, "PayableAmount") + self.texts(tree, "DuePayableAmount")
            self.assertIn(f"{move.amount_total:.2f}", totals)
        move._astpp_store_pdf()
        self.assertTrue(move.invoice_pdf_report_id)

    def test_own_send_refuses_what_it_cannot_make(self):
        self.reseller_customer.partner_id.invoice_edi_format = "ubl_bis3"
        self.seller.country_id = False
        move = self.invoice(self.reseller_customer)
        with self.assertRaises(UserError):
            self.env["account.move.send"]._generate_and_send_invoices(move)
