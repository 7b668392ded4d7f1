import random
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

from freezegun import freeze_time

from odoo.tests import tagged

from .common import AstppCommon

SEEDS = range(6)
STEPS = 22
MONTHS = 4


class Event:
    """A usage line as the test knows it, without asking the ledger."""

    def __init__(self, account, date, amount, prepaid, held):
        self.account, self.date, self.amount = account, date, amount
        self.prepaid, self.held, self.invoice, self.credited = prepaid, held, None, False

    @property
    def state(self):
        if self.invoice:
            return "credited" if self.credited else "billed"
        return "held" if self.held else "prepaid" if self.prepaid else "open"


@tagged("post_install", "-at_install")
class TestLedgerHistories(AstppCommon):
    """Whatever happens in whichever order, totals are what an independent account book says.

    The book keeps every event by itself: what it is worth, whose it is, and on which invoice it must be.
    """

    def setUp(self):
        super().setUp()
        self.call_product.taxes_id = False
        self.server.charge_product_id.taxes_id = False
        self.book, self.kept = {}, Counter()
        self.month = 0

    # What can happen
    def step_load(self):
        """Calls of this month, or late ones, some of them twice."""
        account = self.pick(self.accounts)
        day = self.start(self.random.randint(max(0, self.month - 1), self.month)) + timedelta(
            days=self.random.randint(0, 27), seconds=self.random.randint(0, 80000)
        )
        rows = [
            self.row(account, debit=str(Decimal(self.random.randint(0, 99999)) / 10000), callstart=str(day))
            for _ in range(self.random.randint(1, 4))
        ]
        if self.random.random() < 0.3:
            rows.append(rows[0])
        self.load(*rows)
        seen = Counter()
        for row in rows:
            seen[row["uniqueid"]] += 1
            held = seen[row["uniqueid"]] > 1
            self.note(row["uniqueid"], seen[row["uniqueid"]], account, day, Decimal(row["debit"]), held)

    def step_charge(self):
        account = self.pick(self.accounts)
        amount = Decimal(self.random.randint(-50000, 50000)) / 1000
        charge = self.env["astpp.usage"].create(
            {"account_id": account.id, "amount": float(amount), "date": self.start(self.month) + timedelta(days=3)}
        )
        self.book[charge.id] = Event(account, charge.date, amount, self.is_prepaid(account, charge.date), False)

    def step_change_charge(self):
        charges = [
            (usage_id, event)
            for usage_id, event in self.book.items()
            if not event.invoice and self.env["astpp.usage"].browse(usage_id).source == "manual"
        ]
        if charges:
            usage_id, event = self.pick(charges)
            if self.random.random() < 0.3:
                self.env["astpp.usage"].browse(usage_id).unlink()
                del self.book[usage_id]
            else:
                event.amount += 1
                self.env["astpp.usage"].browse(usage_id).amount = float(event.amount)

    def step_move_charge(self):
        charges = [usage for usage in self.env["astpp.usage"].browse(self.book) if usage.source == "manual"]
        if unbilled := [usage for usage in charges if not usage.move_id]:
            usage, account = self.pick(unbilled), self.pick(self.accounts)
            usage.account_id = account
            self.book[usage.id].account = account
            self.book[usage.id].prepaid = self.is_prepaid(account, usage.date)

    def step_adopt(self):
        """Calls of an account that Odoo does not know yet, and the account, which takes them."""
        if len(self.accounts) < 6:
            number = f"A{self.random.random()}"
            row = self.row(None, debit="1.5", callstart=str(self.start(self.month) + timedelta(days=1)))
            self.load(row | {"accountid": "", "account_number": number})
            account = self.make_account(number, number=number)
            self.accounts.append(account)
            usage = self.env["astpp.usage"].search([("uniqueid", "=", row["uniqueid"])])
            self.assertEqual(usage.account_id, account)
            self.book[usage.id] = Event(account, usage.date, Decimal("1.5"), False, bool(usage.exception))

    def step_release(self):
        held = [usage_id for usage_id, event in self.book.items() if event.held]
        if held:
            usage_id = self.pick(held)
            self.env["astpp.usage"].browse(usage_id).action_release()
            self.book[usage_id].held = False

    def step_switch_mode(self):
        """What was used before stays what it was."""
        account = self.pick(self.accounts)
        account.payment_mode = "prepaid" if account.payment_mode == "postpaid" else "postpaid"
        for event in self.book.values():
            # What is dated after the switch, though it is there already, is used in the new mode.
            if event.account == account and not event.invoice and event.date >= datetime.now():
                event.prepaid = self.is_prepaid(account, event.date)

    def step_change_day(self):
        account = self.pick(self.accounts)
        account.billing_day = self.random.choice((1, 5, 20))

    def step_bill(self):
        """The month ends, and all accounts that are due are billed."""
        self.month += 1
        with freeze_time(self.start(self.month) + timedelta(days=1)):
            before = {account: account.billed_until for account in self.accounts}
            run = self.bill(*self.accounts, date=self.start(self.month).date(), mode="confirm")
            self.assertFalse(run.failed_count, run.result_ids.mapped("message"))
        for account in self.accounts:
            if account.billed_until == before[account]:
                continue
            due = [
                event
                for event in self.book.values()
                if event.account == account and event.state == "open" and event.date < account.billed_until
            ]
            moves = run.result_ids.filtered(lambda r, account=account: r.account_id == account).move_id
            if sum(event.amount for event in due) > 0:
                self.assertTrue(moves, "something is owed")
            for event in due if moves else ():
                event.invoice = self.invoice_of(event)

    def step_cancel(self):
        moves = self.invoices().filtered(lambda move: move.payment_state == "not_paid" and not move.reversal_move_ids)
        if moves:
            move = self.pick(list(moves))
            move.button_draft()
            move.button_cancel()
            self.forget(move)

    def step_credit_all(self):
        """Credited as a whole, and to be billed again."""
        moves = self.invoices().filtered(lambda move: move.move_type == "out_invoice" and not move.reversal_move_ids)
        if moves:
            move = self.pick(list(moves))
            wizard = (
                self.env["account.move.reversal"]
                .with_context(active_model="account.move", active_ids=move.ids)
                .create({"journal_id": move.journal_id.id, "astpp_usage": "release"})
            )
            self.env["account.move"].browse(wizard.refund_moves()["res_id"]).action_post()
            self.forget(move)

    def step_credit_part(self):
        """A part is given back as goodwill: it takes back no usage."""
        moves = self.invoices().filtered(
            lambda move: move.move_type == "out_invoice" and not move.reversal_move_ids and move.amount_total > 1
        )
        if moves:
            move = self.pick(list(moves))
            wizard = (
                self.env["account.move.reversal"]
                .with_context(active_model="account.move", active_ids=move.ids)
                .create({"journal_id": move.journal_id.id})
            )
            credit = self.env["account.move"].browse(wizard.refund_moves()["res_id"])
            first, *others = credit.invoice_line_ids
            first.price_unit = 0.5
            self.env["account.move.line"].union(*others).unlink()
            credit.action_post()

    def step_credit_lines(self):
        """A few lines of an invoice are credited, for good or to be billed again; or the draft is given up."""
        moves = self.invoices().filtered(
            lambda move: move.move_type == "out_invoice"
            and move.amount_total > 1
            and all(credit.astpp_credits_lines for credit in move.reversal_move_ids)
        )
        billed = {
            usage_id: event
            for usage_id, event in self.book.items()
            if event.invoice and event.invoice in moves and not event.credited and event.amount > Decimal("0.1")
        }
        chosen = self.random.sample(sorted(billed), min(len(billed), self.random.randint(1, 3)))
        if not chosen:
            return
        again = self.random.random() < 0.5
        usage = self.env["astpp.usage"].browse(chosen)
        credit = self.env["account.move"]._astpp_credit_lines(usage, "2024-05-30", "wrong", again)
        fate = self.random.choice(("post", "post", "cancel", "unlink", "draft"))
        if fate in ("cancel", "unlink"):
            credit.button_cancel() if fate == "cancel" else credit.unlink()
            return
        credit.action_post()
        if fate == "draft" and not again:
            credit.button_draft()
            credit.unlink()
            return
        for event in map(billed.get, chosen):
            event.credited = not again
            if again:
                self.kept[event.account.id] += event.amount
                event.invoice = None

    def step_move_customer(self):
        """The account goes to another contact."""
        account = self.pick(self.accounts)
        account.partner_id = self.env["res.partner"].create({"name": "Next"})

    # The book
    def note(self, uniqueid, ordinal, account, date, amount, held):
        usage = self.env["astpp.usage"].search([("uniqueid", "=", uniqueid)], order="id")[ordinal - 1]
        self.book[usage.id] = Event(account, date, amount, self.is_prepaid(account, date), held)

    def is_prepaid(self, account, date):
        """By the mode of its own date."""
        terms = account.term_ids.filtered(lambda term: term.date_from <= date)
        return max(terms, key=lambda term: term.date_from).payment_mode == "prepaid"

    def invoice_of(self, event):
        [usage_id] = [usage_id for usage_id, other in self.book.items() if other is event]
        return self.env["astpp.usage"].browse(usage_id).move_id

    def invoices(self):
        found = self.env["account.move"].union(*(event.invoice for event in self.book.values() if event.invoice))
        return found.filtered(lambda move: move.state == "posted")

    def forget(self, move):
        for event in self.book.values():
            if event.invoice == move and not event.credited:
                event.invoice = None

    def pick(self, things):
        return self.random.choice(list(things))

    @staticmethod
    def start(month):
        return datetime(2024, 1 + month, 1)

    def check(self):
        """Compare the ledger with the book, in money per account and state, and invoice by invoice."""
        self.env.flush_all()
        self.env.invalidate_all()
        expected, found = Counter(), Counter()
        for event in self.book.values():
            expected[event.account.id, event.state] += event.amount
            if event.credited:
                expected[event.account.id, "credit"] -= event.amount
        for account_id, amount in self.kept.items():
            expected[account_id, "credited"] += amount
            expected[account_id, "credit"] -= amount
        totals = self.env["astpp.usage.total"].search([("account_id", "in", [a.id for a in self.accounts])])
        for total in totals:
            found[total.account_id.id, total.state] += Decimal(str(total.amount))
        for key in expected.keys() | found.keys():
            self.assertAlmostEqual(expected[key], found[key], 6, key)
        for usage_id, event in self.book.items():
            usage = self.env["astpp.usage"].browse(usage_id)
            self.assertEqual(usage.move_id, event.invoice or self.env["account.move"], event.state)
            self.assertEqual(usage.billing_state, event.state)
        for account in self.accounts:
            self.assertAlmostEqual(account.unbilled_amount, float(expected[account.id, "open"]), delta=0.005001)
        self.check_days()
        self.env["astpp.violation"]._check()
        violations = self.env["astpp.violation"].search([])
        self.assertFalse(violations.mapped(lambda v: (v.kind, v.expected, v.found)))

    def check_days(self):
        """What the book says of each account and day, held or not, is what days say."""
        expected, found = Counter(), Counter()
        for event in self.book.values():
            key = event.account.id, event.date.date(), bool(event.held)
            for name, value in (("lines", 1), ("amount", event.amount), ("credit", max(-event.amount, 0))):
                expected[*key, name] += value
        for day in self.env["astpp.usage.day"].search([("account_id", "in", [a.id for a in self.accounts])]):
            for name in ("lines", "amount", "credit"):
                found[day.account_id.id, day.day, day.held, name] += Decimal(str(day[name]))
        for key in expected.keys() | found.keys():
            self.assertAlmostEqual(expected[key], found[key], 6, key)

    def test_random_histories(self):
        steps = [
            *[self.step_load] * 6, self.step_charge, self.step_charge, self.step_change_charge, self.step_release,
            self.step_move_charge, self.step_adopt, self.step_switch_mode, self.step_change_day, self.step_cancel, self.step_credit_all,
            self.step_credit_lines, self.step_credit_lines, self.step_credit_part, self.step_move_customer,
        ]  # fmt: skip
        for seed in SEEDS:
            with self.subTest(seed=seed), self.env.cr.savepoint() as savepoint:
                self.random = random.Random(seed)
                self.book, self.kept, self.month = {}, Counter(), 0
                self.accounts = [self.make_account(f"H{seed}-{n}") for n in range(3)]
                with freeze_time(self.start(0) + timedelta(days=20)) as clock:
                    for turn in range(STEPS):
                        if turn % 6 == 5 and self.month < MONTHS:
                            self.step_bill()
                            clock.move_to(self.start(self.month) + timedelta(days=20))
                        else:
                            self.pick(steps)()
                        self.check()
                savepoint.close(rollback=True)
