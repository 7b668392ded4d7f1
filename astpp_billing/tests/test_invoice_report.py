import io

from PyPDF2 import PdfReader

from odoo.tests import HttpCase, tagged

from .common import AstppCommon


class InvoiceReportCommon(AstppCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.write(
            {"name": "Operator Company", "street": "1 Operator Street", "report_footer": "<p>Operator footer</p>"}
        )
        cls.reseller.partner_id.write({"street": "2 Reseller Street", "vat": "XX123"})
        cls.reseller_issuer.invoice_note = "<p>Reseller footer</p>"

    def pdf_text(self, move):
        report = self.env["ir.actions.report"].with_context(force_report_rendering=True)
        pdf, kind = report._render_qweb_pdf("account.account_invoices", move.ids)
        self.assertEqual(kind, "pdf")
        return [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages]


@tagged("post_install", "-at_install")
class TestInvoiceReport(InvoiceReportCommon):
    def test_operator_invoice(self):
        self.load(
            self.row(self.customer, debit="10", billseconds=125),
            self.row(self.customer, debit="5", calltype="FREE"),
            self.row(self.customer, debit="2", calltype="DID", call_direction="inbound"),
        )
        move = self.bill(self.customer).move_ids
        pages = self.pdf_text(move)
        text = " ".join(pages)
        for expected in (
            "INV_00001",
            self.customer.number,
            "01/01/2024",
            "01/31/2024",
            "Amount due $ 13.80 by",
            "Pay this invoice online",
            "Outgoing Package Calls: 1 call, 1:00 minutes",
            "Incoming DID Calls: 1 call, 1:00 minutes",
            "United Kingdom Incoming 1 1:00 2.0000 $ 2.00",
            "Thirteen Dollars and Eighty Cents",
        ):
            self.assertIn(expected, text)
        self.assertNotIn("Usage Summary", text, "the lines say it")
        self.assertNotIn("against the invoice before", text)
        for page in pages:
            self.assertIn("1 Operator Street", page, "the header is on every page")
            self.assertIn("Operator footer", page, "the footer is on every page")
            self.assertRegex(page, r"Page \d+ / \d+")

    def test_compared_with_the_months_before(self):
        moves = self.env["account.move"]
        for month, amount in ((1, "10"), (2, "20"), (3, "15")):
            self.load(self.row(self.customer, debit=amount, callstart=f"2024-0{month}-15 12:00:00"))
            day = f"2024-0{month + 1}-01"
            moves |= self.bill(self.customer, date=day, invoice_date=day).move_ids
        self.assertEqual(moves[0]._astpp_months(), [])
        months = moves[2]._astpp_months()
        self.assertEqual([month["amount"] for month in months], moves.mapped("amount_total"))
        self.assertEqual([month["change"] for month in months], [None, 100, -25])
        self.assertEqual([month["height"] for month in months], [23, 46, 34])
        self.assertEqual([month["is_this"] for month in months], [False, False, True])
        text = " ".join(self.pdf_text(moves[2]))
        self.assertIn("Jan Feb Mar -25 % against the invoice before", text)

    def test_calls_for_nothing_say_why(self):
        self.customer.call_list = "annex"
        self.load(
            self.row(self.customer, debit="5", calltype="FREE"),
            self.row(self.customer, debit="0", billseconds=8, notes=""),
            self.row(self.customer, debit="2", notes="", calltype="LOCAL"),
        )
        text = " ".join(self.pdf_text(self.bill(self.customer).move_ids))
        self.assertIn("included", text)
        self.assertIn("0:08 no charge", text)
        self.assertIn("Internal Calls Outgoing 1", text, "calls without a destination have a type")
        self.assertNotIn("–  Outgoing", text)

    def test_reseller_invoice_shows_the_reseller(self):
        self.load_calls(self.reseller_customer, "10")
        text = " ".join(self.pdf_text(self.bill(self.reseller_customer).move_ids))
        for expected in ("Reseller One", "2 Reseller Street", "XX123", "Reseller footer", "R1-00001"):
            self.assertIn(expected, text)
        for hidden in ("Operator Company", "1 Operator Street", "Operator footer"):
            self.assertNotIn(hidden, text)

    def test_summary_in_the_customers_language(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.customer.partner_id.lang = "fr_FR"
        self.load_calls(self.customer, "10")
        text = " ".join(self.pdf_text(self.bill(self.customer).move_ids))
        self.assertIn("Onze", text)

    def test_ordinary_invoice_is_left_alone(self):
        move = self.init_invoice("out_invoice", products=self.product_a, post=True)
        text = " ".join(self.pdf_text(move))
        self.assertNotIn("Usage Summary", text)
        self.assertIn("1 Operator Street", text)
