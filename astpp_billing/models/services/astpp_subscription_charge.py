from decimal import Decimal

from odoo import models
from odoo.tools import format_date

from ...charge_types import RENEWALS
from ...renewal_period import money, share_left
from ..ledger.astpp_usage_entries import UsageEntry


class AstppSubscription(models.Model):
    """A subscription's usage lines: charges, refunds and commissions."""

    _inherit = "astpp.subscription"

    def _amount(self, share=1, price=None, quantity=None):
        """Return the exact price of a period or of a share of it.

        :param share: Decimal, 1 for a whole period
        :return: Decimal in the server's base currency
        """
        self.ensure_one()
        price = Decimal(str(self.price if price is None else price))
        return money(price * (self.quantity if quantity is None else quantity) * share)

    def _charge_type(self):
        return RENEWALS.get(self.astpp_type, "subscription")

    def _entry(self, kind, amount, start, end, charge_type=None):
        """Return a charge for ``_add_charges``, dated at the start of its period.

        :param kind: makes the key unique together with the start: period, setup, rest …
        :param start: start of the period, naive UTC; ``end`` likewise, or False for a charge without a period
        """
        self.ensure_one()
        account = self.account_id
        return {
            "subscription": self,
            "key": f"{self.id}/{kind}/{start:%Y%m%d%H%M%S}",
            "account": account,
            # The product at this time: later changes may replace it.
            "product": self.product_id,
            "charge_type": charge_type or self._charge_type(),
            "date": start,
            "amount": amount,
            "description": self._charge_name(kind, start, end),
            "period_start": start if end else None,
            "period_end": end or None,
        }

    def _charge_name(self, kind, start, end):
        """Describe a charge in the customer's language."""
        subscription = self.with_context(lang=self.partner_id.lang or self.env.lang)
        name = subscription.product_id.name
        if self.did_id:
            name = f"{name} {self.did_id.number}"
        if self.quantity > 1:
            name = f"{self.quantity} × {name}"
        if kind == "setup":
            return subscription.env._("%s: setup fee", name)
        if not end:
            return name
        first, last = self.account_id._local_dates(start, end)
        text = {
            "unused": subscription.env._("%(name)s: unused %(first)s – %(last)s"),
            "commission": subscription.env._("Commission: %(name)s, %(first)s – %(last)s"),
        }.get(kind, "%(name)s: %(first)s – %(last)s")
        return text % {
            "name": name,
            "first": format_date(subscription.env, first),
            "last": format_date(subscription.env, last),
        }

    def _add_charges(self, entries):
        """Add charges and their commissions to the ledger, and queue the changes of balances in ASTPP.

        :return: the entries that were not in the ledger yet
        """
        entries = [entry for entry in entries if entry["amount"]]
        entries += [commission for entry in entries if (commission := self._commission(entry))]
        # Of several entries with the same key, the first one is added.
        by_key = {entry["key"]: entry for entry in reversed(entries)}
        added = self.env["astpp.usage"].sudo()._add([self._usage_entry(entry) for entry in entries])
        added = [by_key[entry.key] for entry in added]
        self.env["astpp.outbox"]._enqueue_balances(
            (entry["account"], -entry["amount"], f"usage/{entry['key']}", entry["description"]) for entry in added
        )
        return added

    def _usage_entry(self, entry):
        """Convert a charge to a ``UsageEntry`` for the ledger."""
        account, subscription = entry["account"], entry["subscription"]
        return UsageEntry(
            source="subscription",
            key=entry["key"],
            server_id=account.server_id.id,
            account_id=account.id,
            date=entry["date"],
            charge_type=entry["charge_type"],
            amount=entry["amount"],
            description=entry["description"],
            product_id=entry["product"].id,
            subscription_id=subscription.id,
            did_id=subscription.did_id.id or None,
            period_start=entry["period_start"],
            period_end=entry["period_end"],
        )

    def _commission(self, entry):
        """Return a commission-based reseller's credit for a charge, or None.

        Refunding a charge reverses its commission (ASTPP facts 7.5, 62).
        """
        subscription = entry["subscription"]
        reseller = subscription.account_id.parent_id
        percent = Decimal(str(entry["product"].astpp_commission))
        if not percent or not reseller.commission_based:
            return None
        kind = entry["key"].split("/")[1]
        start, end = entry["period_start"] or entry["date"], entry["period_end"]
        return entry | {
            "key": entry["key"].replace(f"/{kind}/", f"/commission-{kind}/"),
            "account": reseller,
            "charge_type": "commission",
            "amount": money(-entry["amount"] * percent / 100),
            "description": subscription._charge_name("commission", start, end)
            if end
            else self.env._("Commission: %s", entry["description"]),
        }

    def _unused_entry(self, moment, kind="unused"):
        """Return the credit for the unused rest of the paid period at ``moment`` (naive UTC), or None."""
        self.ensure_one()
        start, end = self.start_date, self.next_date
        if not start or not end or not start <= moment < end:
            return None
        share = share_left(start, moment, end, self.account_id.tz)
        paid = self._paid_for_period()
        if not share or not paid:
            return None
        entry = self._entry(kind, -money(paid * share), moment, end)
        # The number of earlier credits keeps the keys of several changes on the same day apart.
        entry["key"] = f"{entry['key']}/{self.env['astpp.usage'].sudo().search_count(self._credit_domain())}"
        return entry

    def _credit_domain(self):
        return [("subscription_id", "=", self.id), ("source", "=", "subscription"), ("amount", "<", 0)]

    def _paid_for_period(self):
        """Return the price of the whole running period at the terms in force, as Decimal."""
        self.ensure_one()
        usage = self.env["astpp.usage"].sudo()
        lines = usage.search(
            [
                *[("subscription_id", "=", self.id), ("period_end", "=", self.next_date), ("amount", ">", 0)],
                *[("charge_type", "=", self._charge_type()), ("source", "=", "subscription")],
            ],
            order="period_start desc, id desc",
            limit=1,
        )
        if lines:
            # After a change only the rest was charged: scale it up to the whole period.
            share = share_left(self.start_date, lines.period_start, self.next_date, self.account_id.tz)
            return Decimal(str(lines.amount)) / share if share else Decimal(0)
        # Without a charge by Odoo, ASTPP has charged the period.
        return self._amount() if self.astpp_id else Decimal(0)
