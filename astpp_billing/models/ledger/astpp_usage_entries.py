from odoo import api, fields, models

PAGE = 1000


class AstppUsage(models.Model):
    """What subscriptions charge, in the ledger."""

    _inherit = "astpp.usage"

    @api.model
    def _add_subscription_charges(self, entries):
        """Add charges of subscriptions; one that the ledger has already is not added again.

        :param entries: list of dicts with ``subscription``, ``product``, ``key`` (unique in the server), ``account``,
            ``charge_type``, ``date`` (naive UTC), ``amount`` (Decimal, base currency, credits negative),
            ``description``, and ``period_start`` and ``period_end`` (naive UTC or None)
        :return: the entries that were added
        """
        if not entries:
            return []
        rows = [
            (
                entry["account"].server_id.id, entry["account"].company_id.id, entry["account"].server_id.currency_id.id,
                "subscription", entry["key"], entry["account"].id, entry["account"].partner_id.id,
                entry["account"].issuer_id.id, entry["date"], entry["charge_type"], 0, entry["amount"], entry["amount"],
                0, entry["description"], entry["product"].id, entry["subscription"].id,
                entry["subscription"].did_id.id or None, entry["period_start"], entry["period_end"],
                entry["account"].payment_mode == "prepaid",
            )
            for entry in entries
        ]  # fmt: skip
        self.flush_model()
        added = self.env.cr.execute_values(
            """
            INSERT INTO astpp_usage (
                server_id, company_id, currency_id, source, source_key, account_id, partner_id, issuer_id, date,
                charge_type, duration, rated_amount, amount, cost, description, product_id, subscription_id, did_id,
                period_start, period_end, prepaid)
            VALUES %s
            ON CONFLICT (server_id, source, source_key) WHERE source_key IS NOT NULL DO NOTHING
            RETURNING source_key
            """,
            rows,
            page_size=PAGE,
            fetch=True,
        )
        self.invalidate_model()
        # Of two under one key, the first one was added.
        first = {entry["key"]: entry for entry in reversed(entries)}
        return [first[key] for (key,) in added]

    @api.model
    def _add_credits(self, credits_given):
        """Note top-ups and coupons in the ledger; what it has already is not added again.

        On a prepaid account they are history, on a postpaid one they lower the next invoice.

        :param credits_given: list of (account, charge type, key, amount, description), amounts in
            the server's base currency, credits negative
        """
        now = fields.Datetime.now()
        rows = [
            (
                account.server_id.id, account.company_id.id, account.server_id.currency_id.id, "credit", key, account.id,
                account.partner_id.id, account.issuer_id.id, now, charge_type, 0, amount, amount, 0, description,
                charge_type == "topup" or account.payment_mode == "prepaid",
            )
            for account, charge_type, key, amount, description in credits_given
        ]  # fmt: skip
        if not rows:
            return
        self.flush_model()
        self.env.cr.execute_values(
            """
            INSERT INTO astpp_usage (
                server_id, company_id, currency_id, source, source_key, account_id, partner_id, issuer_id, date,
                charge_type, duration, rated_amount, amount, cost, description, prepaid)
            VALUES %s
            ON CONFLICT (server_id, source, source_key) WHERE source_key IS NOT NULL DO NOTHING
            """,
            rows,
            page_size=PAGE,
        )
        self.invalidate_model()
