from odoo import api, fields, models
from odoo.fields import Domain

from ...conflicts import retry
from ..astpp_guard_mixin import ours

# Subscriptions renewed in one transaction.
BATCH = 200


class AstppSubscription(models.Model):
    """Renewals, planned changes and planned ends that are due, one transaction for each batch."""

    _inherit = "astpp.subscription"

    @api.model
    def _cron_renew(self):
        """Bring all subscriptions up to date, catching up on missed periods one by one.

        A crash loses only the current batch. No period is charged twice, because the ledger's key consists
        of the subscription and the start of the period.
        """
        self.env["ir.cron"]._commit_progress(remaining=self.search_count(self._due_domain()))
        done = time_left = True
        while done and time_left:
            done, time_left = retry(self.env, self._renew_next)
        self.env["astpp.did"]._free_quarantined()

    @api.model
    def _renew_next(self):
        """Advance the next batch by one step and commit it.

        :return: (subscriptions of the batch, seconds left for the scheduled action)
        """
        done = self._renew_batch()
        left = self.search_count(self._due_domain())
        return done, self.env["ir.cron"]._commit_progress(len(done), remaining=left)

    @api.model
    def _due_domain(self):
        now = fields.Datetime.now()
        ours = Domain("astpp_id", "in", (0, False)) | Domain("server_id.renewals_by", "=", "odoo")
        due = Domain("state", "=", "active") & (Domain("next_date", "<=", now) | Domain("end_date", "<=", now))
        changed = Domain("state", "=", "active") & Domain(
            "line_ids", "any", [("applied", "=", False), ("moment", "<=", now), ("status", "!=", "ended")]
        )
        ended = Domain("state", "=", "suspended") & Domain("end_date", "<=", now)
        # They end with their account at once; those that could not do so are tried again.
        ended |= Domain("state", "in", ("active", "suspended")) & Domain("account_id.status", "=", "closed")
        # Leave out those that failed and wait for their next attempt.
        again = Domain("renewal_retry_date", "=", False) | Domain("renewal_retry_date", "<=", now)
        return ours & (due | changed | ended) & again

    @api.model
    @ours
    def _renew_batch(self, limit=BATCH):
        """Advance the subscriptions that are due by one step.

        :return: the subscriptions of the batch; each has made progress or waits for its next attempt
        """
        due = self.search(self._due_domain(), order="next_date, id", limit=limit).try_lock_for_update()
        due._try_step()
        return due

    def _step(self):
        """Advance each subscription by one step: planned changes, then its end, suspension or next period."""
        inactive = self.filtered(lambda s: s.state == "active" and s.account_id.status == "suspended" and s._is_due())
        for subscription in inactive:
            # Its account was suspended before this period.
            subscription._set_status(subscription._day(subscription.next_date), "paused")
        inactive._pause()
        (self - inactive)._advance()

    def _advance(self, by_account=True):
        """Apply planned changes, then end those that do so instead of being renewed, and renew the others.

        :param by_account: end the orders of closed accounts; else what was due before is done first
        """
        now = fields.Datetime.now()
        self._apply_changes()
        endings, rest = self._split_endings(now, by_account)
        for reason, subscriptions in endings.items():
            for moment, together in subscriptions.grouped(lambda s: s._end_moment(now)).items():
                together._terminate(self.env["astpp.close.reason"]._own(reason), moment)
        rest.filtered(lambda s: s.state == "active" and s._is_due())._renew()

    def _is_due(self):
        self.ensure_one()
        return bool(self.next_date) and self.next_date <= fields.Datetime.now()

    def _split_endings(self, now, by_account=True):
        """Separate the subscriptions that end from those that continue.

        :return: ({reason: ending subscriptions}, the others); reasons as in ``_reason_to_end``
        """
        funds = self.account_id._funds_left()
        endings, rest = {}, self.browse()
        for subscription in self:
            reason = subscription._reason_to_end(now, funds, by_account)
            if not reason:
                rest |= subscription
                if subscription.next_date and subscription.next_date <= now:
                    funds[subscription.account_id] -= float(subscription._amount_to_come())
            else:
                endings[reason] = endings.get(reason, self.browse()) | subscription
        return endings, rest

    def _end_moment(self, now):
        """Return the end of a subscription that ends now: the planned end or that of its paid period, at most now."""
        self.ensure_one()
        if self.state == "suspended" and self.end_date and self.end_date <= now:
            return self.end_date
        return min(filter(None, (self.end_date, self.next_date, now)))

    def _reason_to_end(self, now, funds, by_account=True):
        """Return the reason to end instead of renewing, as ``astpp.close.reason._own`` takes it, or None.

        The rules are ASTPP's (ASTPP facts 4.3).
        """
        self.ensure_one()
        due = self.next_date and self.next_date <= now and self.state == "active"
        # A suspended subscription is not renewed until its end, so its paid period does not matter.
        ends = self.end_date and self.end_date <= (now if self.state == "suspended" else self.next_date or now)
        account = self.account_id
        if ends and (due or self.end_date <= now):
            return "request"
        if account.status == "closed" and by_account:
            return "account"
        if not due:
            return None
        if not self.recurring or not self.product_id.active:
            return "product" if self.recurring else "one_time"
        # The price is per piece, and _amount() includes the quantity once (ASTPP facts 7.5, 48).
        short = account.payment_mode == "prepaid" and float(self._amount_to_come()) > funds[account]
        return "funds" if short and self.product_id.astpp_release_without_funds else None

    def _amount_to_come(self):
        """Return the price of a whole period by the terms at the next renewal, as Decimal."""
        self.ensure_one()
        terms = self._terms_to_come()
        return self._amount(price=terms.price, quantity=terms.quantity) if terms else self._amount()
