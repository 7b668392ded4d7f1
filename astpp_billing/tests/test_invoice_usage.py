from odoo.tests import freeze_time, tagged

from .test_invoice_report import InvoiceReportCommon


@tagged("post_install", "-at_install")
class TestInvoiceUsage(InvoiceReportCommon):
    """What a telecom invoice shows besides its lines."""

    def test_destinations_add_up(self):
        self.load(
            *(self.row(self.customer, debit="0.004", notes=f"Land {n % 50:02d}") for n in range(100)),
            self.row(self.customer, debit="7.3333", notes="Überall"),
            self.row(self.customer, debit="3", calltype="FREE", notes="Überall"),
        )
        move = self.bill(self.customer).move_ids
        rows = move._astpp_destinations()
        self.assertEqual(len(rows), 41)
        self.assertEqual(rows[0]["destination"], "Überall")
        self.assertEqual(rows[0]["calls"], 2)
        total = sum(move.invoice_line_ids.mapped("price_subtotal"))
        self.assertAlmostEqual(sum(row["amount"] for row in rows), total, 6)
        self.assertEqual(rows[-1]["destination"], "Other destinations")

    @freeze_time("2024-01-01 08:00:00")
    def test_services_and_minutes(self):
        package = self.make_product("package", name="Talk 500", price=20, astpp_free_minutes=500)
        self.subscribe(self.customer, package)
        self.load(self.row(self.customer, debit="1", calltype="FREE", billseconds=7500))
        with freeze_time("2024-02-01 08:00:00"):
            first = self.bill(self.customer).move_ids
            text = " ".join(self.pdf_text(first))
        for expected in ("Talk 500: 01/01/2024 – 01/31/2024", "125 of 500 minutes used", "Calls by Destination",
                         "Pay this invoice online"):  # fmt: skip
            self.assertIn(expected, text)
        self.assertNotIn("Total amount due", text)
        self.load(self.row(self.customer, debit="5", callstart="2024-02-10 10:00:00"))
        with freeze_time("2024-03-01 08:00:00"):
            second = self.bill(self.customer, date="2024-03-01", invoice_date="2024-03-01").move_ids
            statement = second._astpp_statement()
        self.assertEqual((statement["before"], statement["this"]), (20, 5.75))
        self.assertEqual(statement["due"], 25.75)

    def test_statement_covers_only_the_issuer(self):
        """A reseller's document does not reveal what its customer pays to others."""
        self.reseller_customer.partner_id = self.customer.partner_id
        self.load_calls(self.customer, "50")
        self.load_calls(self.reseller_customer, "20")
        first = self.bill(self.customer, self.reseller_customer).move_ids
        for move, amount in zip(first.sorted("amount_total"), (4, 50), strict=True):
            self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids).create(
                {"payment_date": "2024-02-15", "amount": amount}
            )._create_payments()
        self.load_calls(self.reseller_customer, "5", callstart="2024-02-10 10:00:00")
        second = self.bill(self.reseller_customer, date="2024-03-01", invoice_date="2024-03-01").move_ids
        statement = second._astpp_statement()
        self.assertEqual((statement["before"], statement["paid"]), (19, 4))

    def test_annex(self):
        """The list of calls runs over several pages, with its heading on each."""
        self.operator.call_list = "annex"
        self.load(*(self.row(self.customer, callednum=f"44{n:08d}") for n in range(120)))
        pages = self.pdf_text(self.bill(self.customer).move_ids)
        listed = [page for page in pages if "4400000" in page]
        self.assertGreater(len(listed), 1)
        for page in listed:
            self.assertIn("Date and Time From To Destination", page)
        self.assertEqual(sum(page.count("4400000") for page in pages), 120)

    def test_names_in_any_script(self):
        self.customer.partner_id.name = "شركة الاتصالات"
        self.load(self.row(self.customer, notes="Ελλάδα – Київ"))
        text = " ".join(self.pdf_text(self.bill(self.customer).move_ids))
        self.assertIn("Ελλάδα – Київ", text)
        self.assertRegex(text, "[\ufb50-\ufdff\ufe70-\ufeff]{3}", "Arabic letters are joined")
