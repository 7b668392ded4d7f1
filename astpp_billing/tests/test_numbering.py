from odoo import Command
from odoo.exceptions import ValidationError
from odoo.tests import freeze_time, tagged

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
        """Series alternate with each other and with ordinary invoices, across years."""
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
        # Back to the first prefix: its series continues, so no number occurs twice.
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

    def test_deleted_last_number_is_reused(self):
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
        # To another number of the series, which then continues after it.
        move.name = "INV_00050"
        move.action_post()
        self.assertEqual((move.astpp_series, move.sequence_number), ("INV_", 50))
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["INV_00051"])
        # To any other name: the move leaves the series, and ordinary numbers are not affected.
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
        """Odoo's resequencing wizard works on a series."""
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
        # With two digits less padding, "R1-00" followed by 1 reads like "R1-" followed by 001.
        with self.assertRaises(ValidationError):
            self.make_issuer(other, prefix="R1-00", padding=3)

    def test_prefix_of_ordinary_invoices_is_refused(self):
        move = self.invoice(journal=self.operator.journal_id)
        with self.assertRaises(ValidationError):
            self.operator.prefix = move.sequence_prefix

    def test_two_digit_growth(self):
        self.operator.write({"padding": 1, "first_number": 9})
        self.assertEqual(self.numbers(self.operator, "2024-02-01", "2024-02-01"), ["INV_9", "INV_10"])

    def test_raised_first_number_in_a_hashed_journal(self):
        """Numbers secured by a hash must be consecutive, so a first number above the next one is refused."""
        self.operator.journal_id.restrict_mode_hash_table = True
        self.operator.write({"prefix": "H-", "first_number": 5000})
        moves = self.invoice(self.operator) | self.invoice(self.operator)
        self.assertEqual(moves.mapped("name"), ["H-05000", "H-05001"])
        self.assertTrue(all(moves.mapped("inalterable_hash")))
        with self.assertRaisesRegex(ValidationError, "H-05002"), self.env.cr.savepoint():
            self.operator.first_number = 6000
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["H-05002"])
        self.operator.first_number = 1
        self.assertEqual(self.numbers(self.operator, "2024-02-01"), ["H-05003"])
        # As the error message suggests: a new prefix begins a new series.
        self.operator.write({"prefix": "I-", "first_number": 6000})
        self.assertEqual(self.numbers(self.operator, "2024-02-01", "2024-02-01"), ["I-06000", "I-06001"])
        self.assertTrue(self.env["account.move"].search([("name", "=", "I-06001")]).inalterable_hash)

    def test_first_number_raised_before_the_journal_was_hashed(self):
        moves = self.invoice(self.operator) | self.invoice(self.operator)
        self.operator.first_number = 5000
        self.operator.journal_id.restrict_mode_hash_table = True
        self.assertEqual(self.operator.next_number, "INV_00003", "a number that was skipped could not be secured")
        moves |= self.invoice(self.operator)
        self.assertEqual(moves[-1].name, "INV_00003")
        self.assertTrue(all(moves.mapped("inalterable_hash")))

    def test_credit_notes_in_a_hashed_journal(self):
        self.operator.journal_id.restrict_mode_hash_table = True
        self.operator.refund_prefix = "CN_"
        refunds = [self.invoice(self.operator, move_type="out_refund").name for _n in range(2)]
        self.assertEqual(refunds, ["CN_00001", "CN_00002"])
        with self.assertRaisesRegex(ValidationError, "CN_00003"):
            self.operator.first_number = 10

    def test_changed_padding_is_checked_like_prefixes(self):
        """R1-00 and 001 reads like R1- and 00001, which is refused whichever of the two is changed."""
        other = self.make_issuer(self.make_account("Other", account_type="reseller"), prefix="R1-00", padding=4)
        with self.assertRaisesRegex(ValidationError, "R1-"), self.env.cr.savepoint():
            other.padding = 3
        self.reseller_issuer.padding = 4
        other.padding = 3
        with self.assertRaisesRegex(ValidationError, "R1-00"), self.env.cr.savepoint():
            self.reseller_issuer.padding = 5
        self.assertEqual(self.numbers(self.reseller_issuer, "2024-02-01"), ["R1-0001"])
        self.assertEqual(self.numbers(other, "2024-02-01"), ["R1-00001"])

    def test_changed_padding_is_checked_against_existing_numbers(self):
        """The other prefix is no longer in use, but its numbers exist."""
        other = self.make_issuer(self.make_account("Other", account_type="reseller"), prefix="R1-00", padding=4)
        self.reseller_issuer.padding = 4
        other.padding = 3
        self.assertEqual(self.numbers(other, "2024-02-01"), ["R1-00001"])
        other.write({"prefix": "X-", "padding": 5})
        with self.assertRaisesRegex(ValidationError, "R1-00"):
            self.reseller_issuer.padding = 5

    def test_year_in_the_prefix(self):
        """Each year, by invoice date, is a series of its own; the first number only counts in the first year."""
        self.operator.write({"prefix": "INV-{year}-", "refund_prefix": "{year}/CN", "first_number": 100})
        with freeze_time("2024-11-05"):
            self.operator.invalidate_recordset(["next_number"])
            self.assertEqual(self.operator.next_number, "INV-2024-00100")
        names = self.numbers(self.operator, "2024-02-01", "2024-12-31", "2025-01-01", "2024-12-31", "2025-06-01")
        self.assertEqual(
            names, ["INV-2024-00100", "INV-2024-00101", "INV-2025-00001", "INV-2024-00102", "INV-2025-00002"]
        )
        refund = self.invoice(self.operator, "2025-03-01", move_type="out_refund")
        self.assertEqual(refund.name, "2025/CN00100", "the first year of the credit notes")
        with freeze_time("2025-11-05"):
            self.operator.invalidate_recordset(["next_number"])
            self.assertEqual(self.operator.next_number, "INV-2025-00003")
        with freeze_time("2026-01-05"):
            self.operator.invalidate_recordset(["next_number"])
            self.assertEqual(self.operator.next_number, "INV-2026-00001")
        moves = self.env["account.move"].search([("astpp_issuer_id", "=", self.operator.id)])
        self.env.add_to_compute(moves._fields["made_sequence_gap"], moves)
        self.assertFalse(moves.filtered("made_sequence_gap"))
        self.assertEqual(refund.sequence_prefix, "2025/CN")

    def test_year_in_the_prefix_beside_ordinary_invoices(self):
        self.operator.prefix = "OP/{year}/"
        journal = self.operator.journal_id
        first = self.invoice(journal=journal)
        self.numbers(self.operator, "2024-02-01", "2025-02-01")
        second = self.invoice(journal=journal, date="2024-04-01")
        self.assertEqual((second.sequence_prefix, second.sequence_number), (first.sequence_prefix, 2))

    def test_year_of_a_draft(self):
        self.operator.prefix = "{year}-"
        draft = self.invoice(self.operator, "2024-12-31", post=False)
        self.assertEqual(draft.name_placeholder, "2024-00001")
        draft.invoice_date = "2025-01-01"
        self.assertEqual(draft.name_placeholder, "2025-00001")
        draft.action_post()
        self.assertEqual((draft.name, draft.astpp_series), ("2025-00001", "2025-"))
        # A draft that has its number stays in its year.
        draft.button_draft()
        draft.invoice_date = "2026-02-01"
        with self.assertRaisesRegex(ValidationError, "2025-00001"), self.env.cr.savepoint():
            draft.action_post()
        draft.invoice_date = "2025-02-01"
        draft.action_post()
        self.assertEqual(draft.name, "2025-00001")

    def test_year_is_that_of_the_invoice_date(self):
        """Odoo books late invoices in an open period, but their numbers are those of the invoice date's year."""
        self.operator.prefix = "{year}-"
        self.env.company.fiscalyear_lock_date = "2024-12-31"
        late = self.invoice(self.operator, "2024-12-31")
        self.assertEqual((late.name, late.date.year > 2024), ("2024-00001", True))

    def test_year_of_a_name_given_by_hand(self):
        self.operator.prefix = "INV-{year}-"
        move = self.invoice(self.operator, "2024-02-01")
        move.button_draft()
        move.name = "INV-2023-00007"
        with self.assertRaisesRegex(ValidationError, "INV-2023-00007"), self.env.cr.savepoint():
            move.action_post()
        move.name = "INV-2024-00007"
        move.action_post()
        self.assertEqual(self.numbers(self.operator, "2024-02-01", "2025-02-01"), ["INV-2024-00008", "INV-2025-00001"])

    def test_year_in_a_hashed_journal(self):
        self.operator.journal_id.restrict_mode_hash_table = True
        self.operator.write({"prefix": "H{year}", "first_number": 7})
        names = self.numbers(self.operator, "2024-02-01", "2025-02-01", "2025-02-01")
        self.assertEqual(names, ["H202400007", "H202500001", "H202500002"])
        # The first number counts only in the first year, which is over.
        self.operator.first_number = 50
        self.assertEqual(self.numbers(self.operator, "2025-02-01"), ["H202500003"])

    def test_issuer_of_a_company_without_a_journal(self):
        company = self.env["res.company"].create({"name": "No Journal Yet"})
        issuer = self.env["astpp.issuer"].create({"name": "X", "company_id": company.id, "prefix": "{year}-"})
        issuer.write({"first_number": 7, "padding": 3})
        self.assertFalse(issuer.journal_id)
        with freeze_time("2024-11-05"):
            issuer.invalidate_recordset(["next_number"])
            self.assertEqual(issuer.next_number, "2024-007")

    def test_year_in_the_prefix_clashes(self):
        """Any year counts as a clash; other braces are ordinary characters."""
        other = self.make_account("Other", account_type="reseller")
        self.reseller_issuer.prefix = "R{year}-"
        for prefix in ("R2024-", "R{year}-", "R{year}-00"):
            with self.subTest(prefix), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.make_issuer(other, prefix=prefix, padding=3)
        # With 7 digits of padding, numbers after R20 are as long as those after R{year}, so the two read alike.
        self.reseller_issuer.prefix = "R{year}"
        with self.assertRaises(ValidationError), self.env.cr.savepoint():
            self.make_issuer(other, prefix="R20", padding=7)
        issuers = self.make_issuer(other, prefix="R20", padding=6) | self.reseller_issuer
        names = [self.invoice(issuer, "2024-02-01").name for issuer in issuers]
        self.assertEqual(names, ["R20000001", "R202400001"])
        issuers[0].prefix = "R{years}-{YEAR}"
        self.assertEqual(self.numbers(issuers[0], "2024-02-01"), ["R{years}-{YEAR}000001"])

    def test_year_in_the_prefix_clashes_with_ordinary_invoices(self):
        move = self.invoice(journal=self.operator.journal_id)
        self.assertIn("2024", move.sequence_prefix)
        with self.assertRaisesRegex(ValidationError, move.name):
            self.operator.prefix = move.sequence_prefix.replace("2024", "{year}")
