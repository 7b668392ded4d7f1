import logging
from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..astpp_guard_mixin import ours

_logger = logging.getLogger(__name__)

# The wait after failures is 1, 3, 9 hours, then a day.
MOST_HOURS = 24


class AstppSubscription(models.Model):
    """Subscriptions that fail to renew: others are not affected, an alert is raised, and they are retried later."""

    _inherit = "astpp.subscription"

    renewal_error = fields.Char(string="Renewal Failed", readonly=True, copy=False, help="Why the last attempt failed.")
    renewal_retry_date = fields.Datetime(string="Next Attempt", readonly=True, copy=False)
    renewal_failures = fields.Integer(string="Failed Attempts", readonly=True, copy=False, aggregator=None)

    def _try_step(self):
        """Advance each subscription by one step: all together or, if that fails, one by one.

        A subscription that fails or makes no progress waits for its next attempt. So none is tried twice in
        vain, and a loop that calls this until nothing is due terminates.
        """
        if not self:
            return
        before = {subscription: subscription._position() for subscription in self}
        try:
            with self.env.cr.savepoint():
                self._step()
                moved = self.filtered(lambda subscription: subscription._position() != before[subscription])
                moved._forget_renewal_failure()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:
            if len(self) > 1:
                for subscription in self:
                    # It may no longer be due: an order that ends also ends the resellers' orders above it.
                    subscription.filtered_domain(self._due_domain())._try_step()
            else:
                self._note_renewal_failure(error)
            return
        for subscription in self - moved:
            reason = self.env._("It is due, and yet there was nothing to do. Check its dates and its status.")
            subscription._note_renewal_failure(UserError(reason))

    def _try_each(self, action):
        """Do something with these subscriptions together, or one by one where some fail: each failure is noted.

        :param action: takes subscriptions
        """
        if not self:
            return
        try:
            with self.env.cr.savepoint():
                action(self)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:
            self.env.invalidate_all()
            if len(self) == 1:
                self._note_renewal_failure(error)
            for subscription in self if len(self) > 1 else ():
                subscription._try_each(action)

    def _position(self):
        """Return values that change with each step, to detect progress."""
        self.ensure_one()
        return self.state, self.next_date, len(self.line_ids.filtered("applied"))

    @ours
    def _note_renewal_failure(self, error):
        """Record the reason of a failure, schedule the next attempt, and alert the responsible user.

        :param error: the exception
        """
        self.ensure_one()
        if isinstance(error, UserError):
            reason = str(error)
        else:
            _logger.error("Renewal of %s failed", self.name, exc_info=error)
            text = str(error).strip() or type(error).__name__
            reason = self.env._("Unexpected error, see the server's log: %s", text.splitlines()[0])
        hours = min(3 ** min(self.renewal_failures, 3), MOST_HOURS)
        self.write(
            {
                "renewal_error": reason,
                "renewal_retry_date": fields.Datetime.now() + timedelta(hours=hours),
                "renewal_failures": self.renewal_failures + 1,
            }
        )
        account = self.account_id.display_name
        summary = self.env._("%(order)s of %(account)s cannot be renewed", order=self.name, account=account)
        try:
            with self.env.cr.savepoint():
                self._raise_alert("renewal", summary, reason)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception:
            # Not fatal: the form and the list show the failure as well.
            _logger.exception("The failed renewal of %s cannot be told", self.name)

    def _forget_renewal_failure(self):
        """Clear recorded failures and their alerts, once they are overcome."""
        if failed := self.filtered("renewal_failures"):
            failed.write({"renewal_error": False, "renewal_retry_date": False, "renewal_failures": 0})
            failed._clear_alert("renewal")

    @ours
    def action_retry_renewal(self):
        """Retry failed subscriptions at once, for all missed periods, and notify the user of the result."""
        self.check_access("write")
        failed = self.filtered("renewal_failures").try_lock_for_update()
        if not failed:
            raise UserError(self.env._("There is no failed renewal here, or it is being tried at the moment."))
        failed.renewal_retry_date = False
        while due := failed.filtered_domain(self._due_domain()):
            due._try_step()
        # Some are no longer due, because somebody changed their dates.
        failed.filtered(lambda subscription: not subscription.renewal_retry_date)._forget_renewal_failure()
        still = failed.filtered("renewal_failures")
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "danger" if still else "success",
                "message": "\n".join(f"{each.name}: {each.renewal_error}" for each in still[:5])
                or self.env._("Everything is up to date."),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }
