from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Command

from ...charge_types import CALLS, FUNDS, SOLD


class AstppBillingRun(models.Model):
    """The values of an invoice: one line for each group of usage."""

    _inherit = "astpp.billing.run"

    def _prepare_move_vals(self, terms, periods, groups, rates):
        """Return the values of an invoice, or of a credit note when the total is negative.

        :param terms: list of ``BilledTerms`` that share the invoice, usually one account's
        :param periods: {account: (start, end)}, naive UTC
        :param groups: result of ``_collect``
        :param rates: cache {(server, currency): rate} for the batch, see ``_rate``
        :return: None when there is nothing to invoice, or a negative total is carried over
        :raise UserError: when the issuer has no journal, or a rate is missing
        """
        account, issuer, customer = terms[0]
        accounts = account.union(*(each.account for each in terms))
        if not issuer.journal_id:
            raise UserError(
                self.env._("Issuer %s has no journal. Choose a sales journal on its form.", issuer.display_name)
            )
        entries = [(each.account, group) for each in terms for group in groups.get(each, [])]
        amounts = [
            account.currency_id.round(float(group["amount"]) * self._rate(each, rates)) for each, group in entries
        ]
        total = account.currency_id.round(sum(amounts))
        # After the last invoice of an account there is none to carry a credit over to.
        goes_on = any(
            each.is_current and each.account.payment_mode == "postpaid" and each.account.status != "closed"
            for each in terms
        )
        carried = total < 0 and issuer.negative_policy == "carry" and goes_on
        if (not entries and not issuer.invoice_no_usage) or carried:
            return None
        sign = -1 if total < 0 else 1
        partner = account._invoice_partner(customer)
        run = self.with_context(lang=partner.lang or customer.lang or self.env.lang)
        lines = [
            run._prepare_line_vals(each, issuer, group, sign * amount, position, len(accounts) > 1)
            | {"astpp_usage_rate": self._rate(each, rates)}
            for position, ((each, group), amount) in enumerate(zip(entries, amounts, strict=True))
        ]
        if sign > 0:
            self._add_flat_taxes(lines, entries)
        vals = {
            "move_type": "out_refund" if sign < 0 else "out_invoice",
            "company_id": self.company_id.id,
            "journal_id": issuer.journal_id.id,
            "partner_id": partner.id,
            "currency_id": account.currency_id.id,
            "invoice_date": self.invoice_date,
            "astpp_account_id": account.id,
            "astpp_issuer_id": issuer.id,
            "astpp_run_id": self.id,
            "astpp_period_start": min(periods[each][0] for each in accounts),
            "astpp_period_end": max(periods[each][1] for each in accounts),
            "astpp_rate": self._rate(account, rates),
            "invoice_line_ids": [Command.create(line) for line in lines or [run._prepare_empty_line_vals(account)]],
        }
        if issuer.payment_term_id:
            vals["invoice_payment_term_id"] = issuer.payment_term_id.id
        return vals

    def _prepare_line_vals(self, account, issuer, group, amount, position, is_shared=False):
        """Return the values of the invoice line that bills one group of usage."""
        # sudo: a reseller's own company invoices usage of the operator's server, to which it has no access.
        server = account.sudo().server_id
        default = server.call_product_id if group["charge_type"] in CALLS else server.charge_product_id
        product = self.env["product.product"].browse(group["product_id"]) or default
        name = self._line_name(group)
        vals = {
            "sequence": 10 + position,
            "product_id": product.id,
            "name": f"{account.number} – {name}" if is_shared else name,
            "quantity": 1,
            "price_unit": amount,
            "astpp_usage_amount": group["amount"],
        }
        if group["charge_type"] in FUNDS:
            vals["tax_ids"] = [Command.set([])]
        elif taxes := self._own_taxes(account):
            vals["tax_ids"] = [Command.set((taxes - self._flat_taxes(account)).ids)]
        if issuer.clearing_account_id:
            vals["account_id"] = issuer.clearing_account_id.id
        return vals

    def _own_taxes(self, account):
        """Return the account's taxes, which replace those of products; none if another company invoices the account.

        That is a reseller's own company, in which the operator's taxes are not valid.
        """
        return account.tax_ids if account.company_id == self.company_id else account.tax_ids.browse()

    def _flat_taxes(self, account):
        """Return the account's flat taxes, which ASTPP adds once to each invoice (ASTPP facts 5.1)."""
        return self._own_taxes(account).filtered(lambda tax: tax.amount_type == "fixed")

    def _add_flat_taxes(self, lines, entries):
        """Add each flat tax to the first invoice line of its account that can bear it.

        :param lines: values of the invoice's lines
        :param entries: (account, group) of each line
        """
        added = self.env["account.tax"]
        for vals, (account, group) in zip(lines, entries, strict=True):
            new = self._flat_taxes(account) - added
            # On a negative line the tax would be refunded.
            if new and group["charge_type"] not in FUNDS and vals["price_unit"] >= 0:
                vals["tax_ids"] = [Command.set([*vals["tax_ids"][0][2], *new.ids])]
                added |= new

    def _prepare_empty_line_vals(self, account):
        """Return the line of an invoice without usage; Odoo does not post invoices without lines.

        It has taxes as calls would have, because electronic invoices want one on each line; none of a fixed amount, which
        would be charged.
        """
        # sudo: as above.
        product = account.sudo().server_id.call_product_id
        vals = {
            "sequence": 10,
            "product_id": product.id,
            "name": self.env._("No usage"),
            "quantity": 1,
            "price_unit": 0.0,
        }
        own = self._own_taxes(account)
        taxes = own or product.taxes_id._filter_taxes_by_company(self.company_id)
        relative = taxes.filtered(lambda tax: tax.amount_type != "fixed")
        if own or relative != taxes:
            vals["tax_ids"] = [Command.set(relative.ids)]
        return vals

    def _line_name(self, group):
        """Describe a group of usage in the language of the context."""
        usage = self.env["astpp.usage"]
        label = dict(usage._fields["charge_type"]._description_selection(self.env))[group["charge_type"]]
        if group["charge_type"] not in CALLS:
            product = self.env["product.product"].browse(group["product_id"])
            return f"{label}: {product.name}" if product and group["charge_type"] in SOLD else label
        values = {
            "direction": dict(usage._fields["direction"]._description_selection(self.env)).get(group["direction"], ""),
            "type": label,
            "calls": group["calls"],
            "minutes": group["duration"] // 60,
            "seconds": group["duration"] % 60,
        }
        if group["calls"] == 1:
            return self.env._("%(direction)s %(type)s: 1 call, %(minutes)s:%(seconds)02d minutes", **values)
        return self.env._("%(direction)s %(type)s: %(calls)s calls, %(minutes)s:%(seconds)02d minutes", **values)

    def _rate(self, account, rates):
        """Return the rate from the server's base currency to the account's invoice currency, on the invoice date.

        :param rates: cache {(server, currency): rate}, filled on demand
        :raise UserError: when Odoo has no rate for a currency
        """
        key = (account.server_id, account.currency_id)
        if key not in rates:
            rates[key] = account._usage_rate(self.company_id, self.invoice_date)
        return rates[key]
