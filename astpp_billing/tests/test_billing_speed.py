from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestBillingSpeed(AstppCommon):
    """The cost of a batch does not grow with unrelated data."""

    def test_rate_is_looked_up_once_a_batch(self):
        """Ten years of daily rates are not read or scanned for each line."""
        euro = self.setup_other_currency("EUR", rates=[("2024-01-01", 0.5)])
        accounts = [self.make_account(f"Euro {n}", currency_id=euro.id) for n in range(4)]
        for account in accounts:
            self.load(*(self.row(account, debit=3, calltype=kind) for kind in ("STANDARD", "LOCAL", "FAX")))
        server_class = type(self.server)
        with patch.object(
            server_class, "_usage_rate", autospec=True, side_effect=server_class._usage_rate
        ) as looked_up:
            moves = self.bill(*accounts).move_ids
        self.assertEqual((len(moves.invoice_line_ids), set(moves.mapped("amount_untaxed"))), (12, {4.5}))
        self.assertEqual(looked_up.call_count, 1)

    def test_analytics_of_another_company(self):
        other = self.setup_other_company(name="Analytic Ltd")["company"]
        models = self.env["account.analytic.distribution.model"]
        models.search([]).unlink()
        moves = self.env["account.move"]
        models.create({"company_id": other.id})
        self.assertTrue(moves._astpp_has_no_analytics(self.env.company))
        self.assertFalse(moves._astpp_has_no_analytics(other))
        models.create({"company_id": False})
        self.assertFalse(moves._astpp_has_no_analytics(self.env.company))

    def test_prepaid_lines_are_not_looked_through_for_final_invoices(self):
        """A batch asks several times who is due, so that question must read totals, and lines of those alone."""
        prepaid = self.make_account(payment_mode="prepaid")
        self.load_calls(prepaid, "1", "2")
        run = self.env["astpp.billing.run"].new({"company_id": self.env.company.id, "date": fields.Date.today()})
        self.env.flush_all()
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        self.env.cr.execute("ANALYZE astpp_usage, astpp_account")
        statements, execute = [], type(self.env.cr).execute

        def spy(cursor, query, *args, **kwargs):
            statements.append(query)
            return execute(cursor, query, *args, **kwargs)

        with patch.object(type(self.env.cr), "execute", spy):
            self.assertFalse(
                self.env["astpp.account"].search([("id", "=", prepaid.id)]).filtered_domain(run._due_domain())
            )
        [statement] = [query for query in statements if "AS chosen" in getattr(query, "code", "")]
        plan = "\n".join(row for (row,) in self.env.execute_query(statement.__class__("EXPLAIN %s", statement)))
        self.assertIn("astpp_usage_total_", plan)
        self.assertNotIn("hashed", plan)
        self.assertNotIn("Seq Scan", plan)
