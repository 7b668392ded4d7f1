from decimal import Decimal

from odoo import models
from odoo.tools import SQL, format_date

from ...charge_types import RENEWALS
from ...renewal_period import money
from ...service_charge import by_product, owed
from ...service_terms import end_of
from ..ledger.astpp_usage_entries import UsageEntry


class AstppSubscription(models.Model):
    """A subscription's usage lines: what is owed for its periods and not charged yet, setup fees, and commissions."""

    _inherit = "astpp.subscription"

    def _amount(self, price=None, quantity=None):
        """Return the exact price of a period as Decimal, in the server's base currency."""
        self.ensure_one()
        price = Decimal(str(self.price if price is None else price))
        return money(price * (self.quantity if quantity is None else quantity))

    def _pieces(self):
        """Return the ``service_charge.Piece`` of the running period, by the terms in force."""
        held = self._timeline(in_force=True)
        return owed(held, self._running_period(held), end_of(self._timeline()))

    def _charge_difference(self, events=None):
        """Charge, or give back, what is owed for the running periods less what the ledger has for them.

        Whatever happened to an order in whichever order, afterwards its charges for the period are what its timeline
        owes. Where ASTPP renews, it charges.

        :param events: {order: the first local day on which something else holds}, which changes are dated by
        :return: the entries that were added
        """
        mine = self._renewed_by_odoo().filtered(lambda s: s.start_date and s.line_ids)
        charged = mine._charged()
        entries = []
        for subscription in mine:
            entries += subscription._difference(charged.get(subscription.id, {}), (events or {}).get(subscription))
        return self._add_charges(entries)

    def _charged(self):
        """Return {order's id: {product's id: (what the ledger has for its running period, how many lines)}}.

        Other changes of these orders wait until this one is committed, so that they see its charges.
        """
        if not self:
            return {}
        self.env["astpp.usage"].flush_model()
        days = {subscription.id: subscription._day(subscription.start_date) for subscription in self}
        self.env.cr.execute(SQL("SELECT 1 FROM astpp_subscription WHERE id = ANY(%s) FOR NO KEY UPDATE", list(days)))
        rows = self.env.execute_query(
            SQL(
                """
                SELECT u.subscription_id, u.product_id, sum(u.amount), count(*)
                  FROM unnest(%s, %s::date[]) AS running(id, day)
                  JOIN astpp_usage u ON u.subscription_id = running.id AND u.period_date = running.day
              GROUP BY u.subscription_id, u.product_id
                """,
                list(days),
                list(days.values()),
            )
        )
        charged = {}
        for subscription_id, product_id, amount, lines in rows:
            charged.setdefault(subscription_id, {})[product_id] = (Decimal(str(amount)), lines)
        return charged

    def _difference(self, charged, event):
        """Return the entries that make the ledger what the running period owes; credits come first.

        :param charged: {product's id: (amount, lines)} of the ledger
        """
        self.ensure_one()
        pieces = self._pieces()
        sums = by_product(pieces)
        if self._charged_by_astpp() and pieces:
            # The period was charged by ASTPP at the terms of its first day, and is paid by that.
            first = pieces[0].terms
            amount, lines = charged.get(first.product, (Decimal(0), 0))
            charged = charged | {first.product: (amount + money(first.price * first.quantity), lines)}
        entries = []
        for product_id in [*charged, *(product for product in sums if product not in charged)]:
            amount, lines = charged.get(product_id, (Decimal(0), 0))
            if difference := sums.get(product_id, Decimal(0)) - amount:
                mine = [piece for piece in pieces if piece.terms.product == product_id]
                entries.append(self._period_entry(product_id, difference, mine, lines, event))
        return sorted(entries, key=lambda entry: entry["amount"] > 0)

    def _charged_by_astpp(self):
        """Tell whether ASTPP charged the running period, because Odoo took over renewals in it."""
        self.ensure_one()
        return self.astpp_id and not (self.odoo_from and self.start_date >= self.odoo_from)

    def _period_entry(self, product_id, amount, pieces, lines, event):
        """Return the charge or credit of a product for the running period.

        The key makes it unique by order, period and product, and by how many lines came before it.
        """
        product = self.env["product.product"].browse(product_id)
        start = self._day(self.start_date)
        # A product that no terms in force have any more is given back as a whole.
        first, until = (pieces[-1].first, pieces[-1].until) if pieces else (start, self._day(self.next_date or None))
        quantity = pieces[-1].terms.quantity if pieces else 1
        back = min((piece.back_from for piece in pieces if piece.back_from), default=None)
        if amount < 0:
            kind = "unused" if back or not pieces else "less"
            first = max(first, back or first, event or first)
        else:
            kind = "more" if lines else "period"
            first = max(first, event or first) if lines else first
        # Who ends today has tomorrow's rest back today.
        date = max(start, min(first, self._day()))
        return self._entry(
            kind,
            amount,
            self._instant(first),
            self._instant(until),
            product=product,
            quantity=quantity,
            date=self._instant(date),
            key=f"{self.id}/period/{start:%Y%m%d}/{product_id}.{lines}",
            period_date=start,
        )

    def _charge_type(self, product):
        return RENEWALS.get(product.astpp_type, "subscription")

    def _entry(self, kind, amount, start, end, **values):
        """Return a charge for ``_add_charges``, dated at the start of its period.

        :param kind: period, more, less, unused or setup; makes the key unique together with the start
        :param start: start of the period, naive UTC; ``end`` likewise, or False for a charge without a period
        :param values: what differs from the order's: product, quantity, date, key, charge_type; period_date
        """
        self.ensure_one()
        # The product at this time: later changes may replace it.
        product = values.pop("product", self.product_id)
        quantity = values.pop("quantity", self.quantity)
        return {
            "subscription": self,
            "key": f"{self.id}/{kind}/{start:%Y%m%d%H%M%S}",
            "account": self.account_id,
            "product": product,
            "charge_type": self._charge_type(product),
            "date": start,
            "amount": amount,
            "description": self._charge_name(kind, product, quantity, start, end),
            "period_start": start if end else None,
            "period_end": end or None,
            "period_date": None,
            **values,
        }

    def _charge_name(self, kind, product, quantity, start, end):
        """Describe a charge in the customer's language."""
        subscription = self.with_context(lang=self.partner_id.lang or self.env.lang)
        name = product.with_env(subscription.env).name
        if self.did_id:
            name = f"{name} {self.did_id.number}"
        if quantity > 1:
            name = f"{quantity} × {name}"
        if kind == "setup":
            return subscription.env._("%s: setup fee", name)
        if not end:
            return name
        first, last = self.account_id._local_dates(start, end)
        text = {
            "unused": subscription.env._("%(name)s: unused %(first)s – %(last)s"),
            "more": subscription.env._("%(name)s: charged in addition, %(first)s – %(last)s"),
            "less": subscription.env._("%(name)s: charged less, %(first)s – %(last)s"),
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
            period_date=entry["period_date"],
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
            "period_date": None,
            "description": subscription._charge_name("commission", entry["product"], 1, start, end)
            if end
            else self.env._("Commission: %s", entry["description"]),
        }
