from datetime import datetime, timedelta
from unittest.mock import patch

from psycopg2.errors import DeadlockDetected, SerializationFailure

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import freeze_time, new_test_user, tagged
from odoo.tools import mute_logger

from ..renewal_period import LONGEST
from .common import AstppCommon

FAILURE = "odoo.addons.astpp_billing.models.services.astpp_subscription_failure"


@tagged("post_install", "-at_install")
class TestSubscriptionFailure(AstppCommon):
    """A subscription that cannot be renewed does not stop others, raises one alert, and is tried again."""

    def make_absurd(self, subscription):
        """Give a subscription a period that no calendar holds, as was possible before there was a limit."""
        self.env.flush_all()
        self.env.cr.execute("UPDATE astpp_subscription SET period_count = 1000000000 WHERE id = %s", subscription.ids)
        self.env.cr.execute(
            "UPDATE astpp_subscription_line SET period_count = 1000000000 WHERE subscription_id = %s", subscription.ids
        )
        self.env.invalidate_all()

    def amounts(self, subscription):
        usage = self.env["astpp.usage"].search(
            [("subscription_id", "=", subscription.id), ("source", "=", "subscription")], order="date, id"
        )
        return usage.mapped("amount")

    def alerts(self, subscription):
        return subscription.activity_ids.filtered(lambda activity: activity.astpp_alert == "renewal")

    def renew_by_cron(self):
        """Do what the scheduled action does, with its commits; it must come to an end."""
        with self.enter_registry_test_mode():
            self.env.ref("astpp_billing.ir_cron_renew").method_direct_trigger()
        self.env.invalidate_all()

    @freeze_time("2024-01-01 10:00:00")
    def test_one_failure_does_not_stop_others(self):
        product = self.make_product()
        before, broken, after = (self.subscribe(self.customer, product) for _n in range(3))
        self.make_absurd(broken)
        with freeze_time("2024-03-02 10:00:00"):
            self.renew_by_cron()
            for subscription in before | after:
                self.assertEqual(self.amounts(subscription), [10, 10, 10])
                self.assertFalse(subscription.renewal_error)
            self.assertEqual((self.amounts(broken), broken.state), ([10], "active"))
            self.assertIn("1000000000", broken.renewal_error)
            self.assertEqual(broken.renewal_failures, 1)
            self.assertEqual(broken.renewal_retry_date, datetime(2024, 3, 2, 11))
            self.assertIn("1000000000", self.alerts(broken).note)
            self.assertNotIn(broken, broken.search(broken._due_domain()), "it waits for its next attempt")

    @freeze_time("2024-01-01 10:00:00")
    def test_conflicts_are_no_failures(self):
        """When two processes conflict, the batch is repeated, and no order is blamed."""
        subscription = self.subscribe(self.customer, self.make_product())
        cls = type(subscription)
        step, conflicts = cls._step, [SerializationFailure, DeadlockDetected]

        def meet(records):
            if conflicts:
                raise conflicts.pop()
            return step(records)

        with freeze_time("2024-02-02 10:00:00"), patch.object(cls, "_step", meet):
            self.renew_by_cron()
        self.assertEqual((conflicts, self.amounts(subscription)), ([], [10, 10]))
        self.assertFalse(subscription.renewal_failures or self.alerts(subscription))

    @freeze_time("2024-01-01 10:00:00")
    def test_a_failed_renewal_is_rolled_back(self):
        """The failing order leaves nothing half done, and the others in the batch have their messages."""
        product = self.make_product()
        good, broken = self.subscribe(self.customer, product), self.subscribe(self.customer, product)
        good._plan_change(good.next_date, price=11)
        self.env.cr.flush()
        cls = type(broken)
        charge = cls._add_charges

        def fail_late(records, entries):
            if any(entry["subscription"] == broken for entry in entries):
                charge(records, entries)
                raise ZeroDivisionError("late")
            return charge(records, entries)

        with (
            freeze_time("2024-02-02 10:00:00"),
            patch.object(cls, "_add_charges", fail_late),
            mute_logger(FAILURE),
        ):
            # Tests disable tracking by default.
            tracking = self.env["astpp.subscription"].with_context(tracking_disable=False, mail_notrack=False)
            while tracking._renew_batch():
                pass
            self.assertEqual((self.amounts(good), self.amounts(broken)), ([10, 11], [10]))
            self.assertEqual(broken.next_date, datetime(2024, 2, 1))
            self.assertIn("late", broken.renewal_error)
            self.env.cr.flush()
            good.invalidate_recordset()
            tracked = good.sudo().message_ids.tracking_value_ids.field_id.mapped("name")
            self.assertIn("price", tracked, "the chatter of the good one is kept")

    @freeze_time("2024-01-01 10:00:00")
    def test_levels_that_end_together_are_no_failure(self):
        """One by one, the customer's order ends the reseller's before its turn comes."""
        once = self.make_product(astpp_recurring=False)
        retail = self.subscribe(self.reseller_customer, once)
        wholesale = retail.wholesale_id
        broken = self.subscribe(self.customer, self.make_product())
        self.make_absurd(broken)
        with freeze_time("2024-02-02 10:00:00"):
            self.renew()
        self.assertEqual((retail.state, wholesale.state), ("terminated", "terminated"))
        self.assertTrue(broken.renewal_failures)
        self.assertFalse(wholesale.renewal_failures or self.alerts(wholesale))

    @freeze_time("2024-01-01 10:00:00")
    def test_retries_are_ever_later_with_one_alert(self):
        broken = self.subscribe(self.customer, self.make_product())
        self.make_absurd(broken)
        moment = datetime(2024, 2, 1, 10)
        for hours in (1, 3, 9, 24, 24):
            with freeze_time(moment):
                self.renew()
                self.assertEqual(broken.renewal_retry_date - moment, timedelta(hours=hours))
                self.renew()
            moment = broken.renewal_retry_date
        self.assertEqual(broken.renewal_failures, 5)
        self.assertEqual(len(self.alerts(broken)), 1)
        broken.activity_schedule("mail.mail_activity_data_todo", summary="My own reminder", user_id=self.env.uid)
        broken.period_count = 1
        with freeze_time(moment):
            self.renew()
        self.assertEqual(len(self.amounts(broken)), 2)
        self.assertFalse(broken.renewal_error or broken.renewal_failures or broken.renewal_retry_date)
        self.assertEqual(broken.activity_ids.mapped("summary"), ["My own reminder"])

    @freeze_time("2024-01-01 10:00:00")
    def test_try_again_at_once(self):
        """An accountant with the Invoicing right alone fixes the cause and presses the button."""
        broken = self.subscribe(self.customer, self.make_product())
        self.make_absurd(broken)
        user = new_test_user(
            self.env, login="mender", groups="base.group_user,account.group_account_invoice",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        with freeze_time("2024-03-02 10:00:00"):
            self.renew()
            action = broken.with_user(user).action_retry_renewal()
            self.assertEqual(broken.renewal_failures, 2, "it failed again, and says so")
            self.assertEqual(action["params"]["type"], "danger")
            broken.period_count = 1
            action = broken.with_user(user).action_retry_renewal()
            self.assertEqual(action["params"]["type"], "success")
        self.assertEqual(self.amounts(broken), [10, 10, 10], "all that it had missed")
        self.assertFalse(broken.renewal_error)
        self.assertFalse(self.alerts(broken))

    @freeze_time("2024-01-01 10:00:00")
    def test_ending_by_hand_clears_the_failure(self):
        broken = self.subscribe(self.customer, self.make_product())
        self.make_absurd(broken)
        with freeze_time("2024-02-02 10:00:00"):
            self.renew()
            self.assertTrue(self.alerts(broken))
            broken._terminate(self.env.ref("astpp_billing.close_reason_request"))
        self.assertFalse(broken.renewal_error or self.alerts(broken))

    @freeze_time("2024-04-01 10:00:00")
    def test_change_planned_twice(self):
        """Of two plans for a day the later one holds, in whatever mode the account pays."""
        account = self.make_account(payment_mode="prepaid", available_funds=1000)
        self.customer.billing_day = 1
        for refund, total in ((True, 10 + 60), (False, 30 + 60)):
            product = self.make_product(price=30, astpp_prorate=True, astpp_refund_unused=refund)
            for subscription in (self.subscribe(self.customer, product), self.subscribe(account, product)):
                subscription._plan_change(datetime(2024, 4, 11), price=60)
                subscription._plan_change(datetime(2024, 4, 11), price=90)
                self.assertEqual(len(subscription.line_ids), 2)
                self.assertIn("instead of", subscription.message_ids[0].body, "it is visible")
                with self.subTest(mode=subscription.account_id.payment_mode, refund=refund):
                    with freeze_time("2024-04-12 10:00:00"):
                        self.renew_by_cron()
                    self.assertFalse(subscription.renewal_error)
                    self.assertEqual(subscription.price, 90)
                    self.assertFalse(subscription.line_ids.filtered(lambda line: not line.applied))
                    self.assertAlmostEqual(sum(self.amounts(subscription)), total, msg="20 days at 90")

    @freeze_time("2024-04-01 10:00:00")
    def test_renewal_planned_twice(self):
        subscription = self.subscribe(self.customer, self.make_product(price=30))
        subscription._plan_change(datetime(2024, 5, 1), quantity=2)
        subscription._plan_change(datetime(2024, 5, 1), quantity=3)
        with freeze_time("2024-05-02 10:00:00"):
            self.renew()
        self.assertEqual(self.amounts(subscription), [30, 90], "what was planned last holds")

    @freeze_time("2024-01-01 10:00:00")
    def test_suspended_until_its_end(self):
        """If the planned end is after the paid period, the order has ended before it could be resumed."""
        subscription = self.subscribe(self.customer, self.make_product())
        subscription.end_date = "2024-02-15 00:00:00"
        subscription.action_suspend()
        with freeze_time("2024-03-01 10:00:00"):
            self.renew_by_cron()
        self.assertEqual((subscription.state, subscription.end_date), ("terminated", datetime(2024, 2, 15)))
        self.assertFalse(subscription.renewal_error)

    @freeze_time("2024-01-01 10:00:00")
    def test_due_but_unchanged_leaves_the_queue(self):
        """Whatever the reason, no order is processed twice without progress."""
        idle, other = (self.subscribe(self.customer, self.make_product()) for _n in range(2))
        cls = type(idle)
        renew = cls._renew
        with (
            freeze_time("2024-02-02 10:00:00"),
            patch.object(cls, "_renew", lambda records: renew(records - idle)),
        ):
            self.renew_by_cron()
            self.assertIn("nothing", idle.renewal_error)
            self.assertTrue(idle.renewal_retry_date)
        self.assertEqual(len(self.amounts(other)), 2)

    @freeze_time("2024-01-01 10:00:00")
    def test_deleted_close_reason(self):
        """The addon's own close reasons cannot be deleted; one that is missing is created again."""
        reason = self.env.ref("astpp_billing.close_reason_one_time")
        with self.assertRaisesRegex(UserError, "Archive"):
            reason.unlink()
        self.env["astpp.close.reason"].create({"name": "My own"}).unlink()
        self.env["ir.model.data"].search([("model", "=", reason._name), ("res_id", "=", reason.id)]).unlink()
        reason.unlink()
        once = self.subscribe(self.customer, self.make_product(astpp_recurring=False))
        with freeze_time("2024-02-02 10:00:00"):
            self.renew()
        self.assertEqual(once.state, "terminated")
        self.assertEqual(once.close_reason_id, self.env.ref("astpp_billing.close_reason_one_time"))

    def test_absurd_period_is_refused(self):
        product = self.make_product()
        subscription = self.subscribe(self.customer, product)
        for unit, most in LONGEST.items():
            with self.subTest(unit):
                subscription.write({"period_unit": unit, "period_count": most})
                with self.assertRaisesRegex(ValidationError, "years"), self.env.cr.savepoint():
                    subscription.period_count = most + 1
                with self.assertRaisesRegex(ValidationError, "years"), self.env.cr.savepoint():
                    product.write({"astpp_period_unit": unit, "astpp_period_count": most + 1})

    @freeze_time("2024-01-01 10:00:00")
    def test_deleted_mail_template(self):
        """The charge stands without the mail."""
        self.operator.notify_renewed = True
        subscription = self.subscribe(self.customer, self.make_product())
        self.env.ref("astpp_billing.mail_template_renewed").unlink()
        with (
            freeze_time("2024-02-02 10:00:00"),
            mute_logger("odoo.addons.astpp_billing.models.documents.astpp_subscription"),
        ):
            self.renew()
        self.assertEqual(len(self.amounts(subscription)), 2)
        self.assertFalse(subscription.renewal_error)
        self.assertEqual(subscription.notice_ids.filtered(lambda n: n.kind == "renewed").state, "failed")

    @freeze_time("2024-01-01 10:00:00")
    def test_one_bad_number_does_not_keep_others_in_quarantine(self):
        dids = self.env["astpp.did"].create([{"number": f"442070{n}"} for n in range(3)])
        dids.quarantine_until = "2024-01-01 09:00:00"
        cls = type(dids)
        write = cls.write

        def fail(records, vals):
            if dids[1] in records:
                raise ZeroDivisionError
            return write(records, vals)

        with patch.object(cls, "write", fail), mute_logger("odoo.addons.astpp_billing.models.services.astpp_did"):
            self.env["astpp.did"]._free_quarantined()
        self.assertEqual(dids.mapped("state"), ["free", "quarantine", "free"])

    @freeze_time("2024-01-01 10:00:00")
    def test_one_bad_reminder_does_not_stop_others(self):
        self.operator.write({"notify_reminder": True, "notice_days": 7})
        first, second = (self.subscribe(self.customer, self.make_product()) for _n in range(2))
        cls = type(first)
        notify = cls._notify

        def fail(records, kind):
            if first in records:
                raise ZeroDivisionError
            return notify(records, kind)

        with (
            freeze_time("2024-01-30 10:00:00"),
            patch.object(cls, "_notify", fail),
            mute_logger("odoo.addons.astpp_billing.models.documents.astpp_subscription"),
            self.enter_registry_test_mode(),
        ):
            self.env.ref("astpp_billing.ir_cron_remind").method_direct_trigger()
        self.assertEqual([len(each.notice_ids) for each in (first, second)], [0, 1])

    @freeze_time("2024-01-01 10:00:00")
    def test_shown_in_the_list(self):
        subscription = self.subscribe(self.customer, self.make_product())
        subscription._note_renewal_failure(UserError("Reason"))
        self.assertEqual(subscription.search([("renewal_failures", ">", 0)]), subscription)
        self.assertEqual(subscription.renewal_retry_date, fields.Datetime.now() + timedelta(hours=1))
