from odoo import Command
from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import AstppCommon

PREFIXES = [
    "INV_", "R2-2026/", "R10-", "R24/", "A.B*C(1)", "2025", "seq-year/", "X9", "3CX-", "{x}-", "R%-", "prefix1",
    "Ünï ", "(?P<seq>", "\\d+", "month",
]  # fmt: skip


@tagged("post_install", "-at_install")
class TestNumbering(AstppCommon):
    def invoice(self, issuer=None, date="2024-02-01", move_type="out_invoice", post=True, journal=None):
        issuer = issuer if issuer is not None else self.env["astpp.issuer"]
        move = self.env["account.move"].create(
            {
                "move_type": move_type,
                "partner_id": self.partner_a.id,
                "invoice_date": date,
                "astpp_issuer_id": issuer.id,
                "journal_id": (journal or issuer.journal_id or self.company_data["default_journal_sale"]).id,
                "invoice_line_ids": [Command.create({"name": "x", "price_unit": 1, "tax_ids": []})],
            }
        )
        if post:
            move.action_post()
        return move

    def numbers(self, issuer, *dates):
        return [self.invoice(issuer, date).name for date in dates]

    def test_any_prefix_in_one_journal(self):
        """Interleaved with each other and with ordinary invoices, across years."""
        issuers = self.env["astpp.issuer"]
        for prefix in PREFIXES:
            reseller = self.make_account(f"Reseller {prefix}", account_type="reseller")
            issuers |= self.make_issuer(reseller, prefix=prefix.strip(), padding=4, first_number=7)
        journal = issuers.journal_id
        self.assertEqual(len(journal), 1)
        ordinary = []
        for date in ("2024-02-01", "2024-12-31", "2025-01-01", "2026-06-30"):
            for issuer in issuers:
                self.invoice(issuer, date)
            ordinary.append(self.invoice(date=date, journal=journal).name)
        for issuer in issuers:
            names = self.env["account.move"].search([("astpp_issuer_id", "=", issuer.id)], order="id").mapped("name")
            self.assertEqual(names, [f"{issuer.prefix}{number:04d}" for number in range(7, 11)])
            self.assertEqual(issuer.next_number, f"{issuer.prefix}0011")
        self.assertEqual(ordinary, ["RSL/2024/00001", "RSL/2024/00002", "RSL/2025/00001", "RSL/2026/00001"])
        moves = self.env["account.move"].search([("journal_id", "=", journal.id)])
        self.assertFalse(moves.filtered("made_sequence_gap"), "no false hole on the dashboard")

    def test_beside_ordinary_invoices_of_the_operator(self):
        journal = self.operator.journal_id
        first = self.invoice(journal=journal)
        self.assertFalse(journal.astpp_has_series)
        self.assertEqual(self.numbers(self.operator, "2024-03-01", "2023-03-01"), ["INV_00001", "INV_00002"])
        self.assertTrue(journal.astpp_has_series, "from now on ordinary invoices look past them")
        second = self.invoice(journal=journal, date="2024-04-01")
        self.assertEqual(second.sequence_prefix, first.sequence_prefix)
        self.assertEqual(second.sequence_number, first.sequence_number + 1)

    def test_prefix_change_begins_a_series(self):
        self.assertEqual(self.numbers(self.operator, "2024-02-01", "2024-02-02"), ["INV_00001", "INV_00002"])
        self.operator.write({"prefix": "NEW-", "first_number": 100})
        self.assertEqual(self.numbers(self.operator, "2024-02-03"), ["NEW-00100"])
        # Back again: the old series goes on, no number comes twice.
        self.operator.write({"prefix": "INV_", "first_number": 1})
        self.assertEqual(self.numbers(self.operator, "2024-02-04"), ["INV_00003"])

    def test_raised_first_number(self):
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["INV_00001"])
        self.operator.first_number = 5000
        moves = self.invoice(self.operator) | self.invoice(self.operator)
        self.assertEqual(moves.mapped("name"), ["INV_05000", "INV_05001"])
        self.operator.first_number = 1
        moves |= self.invoice(self.operator)
        self.assertEqual(moves[-1].name, "INV_05002")
        moves.invalidate_recordset()
        self.env.add_to_compute(moves._fields["made_sequence_gap"], moves)
        self.assertFalse(any(moves.mapped("made_sequence_gap")))

    def test_draft_has_no_number(self):
        draft = self.invoice(self.operator, post=False)
        self.assertFalse(draft.name)
        self.assertEqual(draft.name_placeholder, "INV_00001")
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["INV_00001"])
        draft.action_post()
        self.assertEqual(draft.name, "INV_00002")

    def test_reset_keeps_the_number(self):
        first, second = self.invoice(self.operator), self.invoice(self.operator)
        first.button_draft()
        self.operator.prefix = "OTHER-"
        first.action_post()
        self.assertEqual((first.name, second.name), ("INV_00001", "INV_00002"))
        self.assertEqual(first.astpp_series, "INV_")

    def test_last_number_is_given_again(self):
        first, second = self.invoice(self.operator), self.invoice(self.operator)
        second.button_draft()
        second.unlink()
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["INV_00002"])
        self.assertFalse(first.made_sequence_gap)

    def test_real_gap_is_shown(self):
        moves = [self.invoice(self.operator) for _n in range(3)]
        moves[1].button_draft()
        moves[1].with_context(force_delete=True).unlink()
        self.assertEqual([move.made_sequence_gap for move in (moves[0], moves[2])], [False, True])

    def test_rename_by_hand(self):
        move = self.invoice(self.operator)
        move.button_draft()
        # To a number of the series: the series goes on after it.
        move.name = "INV_00050"
        move.action_post()
        self.assertEqual((move.astpp_series, move.sequence_number), ("INV_", 50))
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["INV_00051"])
        # To anything else: it leaves the series, and ordinary numbers are not touched by it.
        ordinary = self.invoice(journal=self.operator.journal_id)
        move.button_draft()
        move.name = "SPECIAL/2024/00007"
        move.action_post()
        self.assertFalse(move.astpp_series)
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["INV_00052"])
        self.assertEqual(ordinary.sequence_number, 1)

    def test_cleared_name_is_numbered_anew(self):
        move = self.invoice(self.operator)
        move.button_draft()
        move.name = False
        self.operator.prefix = "N-"
        move.action_post()
        self.assertEqual(move.name, "N-00001")

    def test_credit_notes(self):
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["INV_00001"])
        refund = self.invoice(self.operator, move_type="out_refund")
        self.assertEqual(refund.name, "INV_00002")
        self.operator.refund_prefix = "CN_"
        refund = self.invoice(self.operator, move_type="out_refund")
        self.assertEqual(refund.name, "CN_00001")
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["INV_00003"])

    def test_reversal_has_the_issuer(self):
        move = self.invoice(self.operator)
        wizard = self.env["account.move.reversal"].with_context(active_model="account.move", active_ids=move.ids)
        action = wizard.create({"journal_id": move.journal_id.id}).refund_moves()
        refund = self.env["account.move"].browse(action["res_id"])
        refund.action_post()
        self.assertEqual(refund.name, "INV_00002")

    def test_resequence(self):
        """Odoo's own wizard on a series."""
        moves = self.invoice(self.operator) | self.invoice(self.operator)
        wizard = self.env["account.resequence.wizard"].with_context(active_model="account.move", active_ids=moves.ids)
        wizard.create({"first_name": "INV_00031", "ordering": "keep"}).resequence()
        self.assertEqual(moves.sorted("name").mapped("name"), ["INV_00031", "INV_00032"])
        self.assertEqual(moves.mapped("astpp_series"), ["INV_", "INV_"])
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["INV_00033"])

    def test_clashing_prefixes_are_refused(self):
        other = self.make_account("Other", account_type="reseller")
        for prefix in ("R1-", " R9-", "R9\n"):
            with self.subTest(prefix), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.make_issuer(other, prefix=prefix)
        # With two digits of padding less, R1-00 and 1 reads as R1- and 001.
        with self.assertRaises(ValidationError):
            self.make_issuer(other, prefix="R1-00", padding=3)

    def test_prefix_of_ordinary_invoices_is_refused(self):
        move = self.invoice(journal=self.operator.journal_id)
        with self.assertRaises(ValidationError):
            self.operator.prefix = move.sequence_prefix

    def test_two_digit_growth(self):
        self.operator.write({"padding": 1, "first_number": 9})
        self.assertEqual(self.numbers(self.operator, "2024-02-01", "2024-02-01"), ["INV_9", "INV_10"])
