from odoo import api, fields, models
from odoo.fields import Command

from .account_move_complete import COMPLETE

# No chatter and followers for each invoice: the billing run tells who created it.
QUIET = {"mail_create_nolog": True, "mail_create_nosubscribe": True, "mail_notrack": True}
# Computed line fields that are created with the values that Odoo would compute.
GIVEN = ("price_subtotal", "price_total", "parent_state", "date", "invoice_date")


class AccountMove(models.Model):
    """Creating many invoices at once, with their tax and receivable lines.

    Odoo synchronises the dynamic lines invoice by invoice and writes each line on the way. Here all lines are created
    together with the invoice, so that there is nothing to synchronise.

    Amounts are computed by Odoo's tax engine and payment terms; ``test_bulk_equals_stock`` compares
    every field with what Odoo itself would create.
    """

    _inherit = "account.move"

    @api.model
    def _astpp_create_bulk(self, vals_list):
        """Create customer invoices and credit notes with product lines.

        Cases not covered here are left to ``create``: cash rounding, early payment discounts, analytic distribution
        models, storno accounting, and companies where a module extends a hook that is skipped here.

        :param vals_list: values for ``create``; lines in ``invoice_line_ids`` as create commands
            with ``product_id``, ``name``, ``quantity`` and ``price_unit``
        :return: the moves in the order of the values
        """
        moves = self.with_context(**QUIET)
        headers = self._astpp_headers(vals_list)
        plain = headers.company_id.filtered(lambda company: self._astpp_is_plain(company))
        covered = [header.company_id in plain and self._astpp_is_covered(header) for header in headers]
        products = {}
        complete = moves.create(
            [
                self._astpp_complete(vals, header, products)
                for vals, header, is_covered in zip(vals_list, headers, covered, strict=True)
                if is_covered
            ]
        )
        complete._astpp_with_settled_lines()._astpp_settle_lines()
        others = moves.create([vals for vals, is_covered in zip(vals_list, covered, strict=True) if not is_covered])
        # Back to the caller's context, so that later changes are synchronised as usual.
        complete, others = iter(complete.with_env(self.env)), iter(others.with_env(self.env))
        return self.concat(*(next(complete if is_covered else others) for is_covered in covered))

    def _astpp_settle_lines(self):
        """Keep given line values: skip recomputation and fill caches, so each line is written once.

        Otherwise numbering, which reads the lines, would flush half of their columns early and the rest later.
        """
        lines = self.line_ids
        for name in GIVEN:
            self.env.remove_to_compute(lines._fields[name], lines)
        for field in self.pool.field_inverses[lines._fields["move_id"]]:
            self.mapped(field.name)

    def _astpp_post_bulk(self):
        """Post invoices without synchronising their lines again, unless one of them was left to Odoo's ``create``."""
        plain = all(self._astpp_is_plain(company) for company in self.company_id)
        complete = plain and all(self._astpp_is_covered(move) for move in self)
        # Compute what depends on the draft state while they are drafts, as when a user saves first and posts later.
        self._recompute_recordset()
        self.line_ids._recompute_recordset()
        # Posting changes nothing that lines depend on.
        moves = self._astpp_with_settled_lines() if complete else self
        # Not soft: an invoice dated tomorrow in the customer's zone is meant to be posted now.
        return moves._post(soft=False).with_env(self.env)

    def _astpp_with_settled_lines(self):
        """Return these moves with a context that skips the synchronisation of their lines, and of no other move's.

        See ``_sync_dynamic_lines``.
        """
        return self.with_context(astpp_settled_ids=frozenset(self.ids))

    @api.model
    def _astpp_headers(self, vals_list):
        """Return unsaved invoices without lines, on which Odoo computes the defaults.

        They are one recordset, so that prefetching works across all of them.
        """
        return self.concat(
            *(
                self.new({name: value for name, value in vals.items() if name != "invoice_line_ids"})
                for vals in vals_list
            )
        )

    @api.model
    def _astpp_is_plain(self, company):
        """Tell whether only Odoo's accounting affects a company's invoices: no analytic models, no extended hooks."""
        return self._astpp_has_no_analytics(company) and not self._astpp_extended_hooks()

    @api.model
    def _astpp_has_no_analytics(self, company):
        """Tell whether no analytic distribution model can apply to a company's invoices."""
        # sudo: accountants may not have access to analytic accounting.
        models_of_company = [("company_id", "in", (False, *company.parent_ids.ids))]
        return not self.env["account.analytic.distribution.model"].sudo().search_count(models_of_company, limit=1)

    @api.model
    def _astpp_is_covered(self, header):
        return not (
            header.invoice_cash_rounding_id
            or header.invoice_payment_term_id.early_discount
            or header.company_id.account_storno
        )

    @api.model
    def _astpp_complete(self, vals, header, products):
        """Return the values of an invoice with all its lines.

        :param products: cache {key: (account, taxes, unit)} of ``_astpp_product_defaults``
        """
        base_lines = [
            self._astpp_base_line(header, command[2], products) for command in vals.get("invoice_line_ids", [])
        ]
        taxes, company = self.env["account.tax"], header.company_id
        taxes._add_tax_details_in_base_lines(base_lines, company)
        totals = [self._astpp_line_totals(base_line, company) for base_line in base_lines]
        taxes._round_base_lines_tax_details(base_lines, company)
        taxes._add_accounting_data_in_base_lines_tax_details(base_lines, company)
        amounts = taxes._prepare_tax_lines(base_lines, company)
        product_lines = [
            {**base_line["vals"], **update, **total, "display_type": "product"}
            for (base_line, update), total in zip(amounts["base_lines_to_update"], totals, strict=True)
        ]
        tax_lines = [{**line, "display_type": "tax"} for line in amounts["tax_lines_to_add"]]
        term_lines = self._astpp_term_lines(header, product_lines, tax_lines) if product_lines else []
        for line in term_lines:
            line.update(amount_residual=line["balance"], amount_residual_currency=line["amount_currency"])
        common = self._astpp_common_line_vals(header)
        return {
            **self._astpp_precomputed(header),
            **{name: value for name, value in vals.items() if name != "invoice_line_ids"},
            "astpp_complete": COMPLETE,
            "line_ids": [Command.create({**common, **line}) for line in (*product_lines, *tax_lines, *term_lines)],
        }

    @api.model
    def _astpp_precomputed(self, header):
        """Precompute header values; Odoo would copy the invoice with its lines for it."""
        return {
            name: field.convert_to_write(header[name], header)
            for name, field in self._fields.items()
            if field.precompute and field.store and not field.readonly
        }

    @api.model
    def _astpp_common_line_vals(self, header):
        """Return what Odoo would compute for most lines; setting it at once saves a second UPDATE."""
        return {
            "price_subtotal": 0.0,
            "price_total": 0.0,
            "currency_id": header.currency_id.id,
            "partner_id": header.commercial_partner_id.id,
            "date": header.date,
            "invoice_date": header.invoice_date,
            "parent_state": "draft",
            "amount_residual": 0.0,
            "amount_residual_currency": 0.0,
            "reconciled": False,
        }

    @api.model
    def _astpp_line_totals(self, base_line, company):
        """Return the line's own subtotal and total, rounded independently of the other lines."""
        self.env["account.tax"]._round_base_lines_tax_details([base_line], company)
        details = base_line["tax_details"]
        return {
            "price_subtotal": details["total_excluded_currency"],
            "price_total": details["total_included_currency"],
        }

    @api.model
    def _astpp_amounts(self, vals):
        """Return the amounts of an invoice with these values, in its currency, without creating it.

        :return: dict of ``amount_untaxed`` and ``amount_total``
        """
        header, taxes, products = self._astpp_headers([vals]), self.env["account.tax"], {}
        base_lines = [self._astpp_base_line(header, command[2], products) for command in vals["invoice_line_ids"]]
        taxes._add_tax_details_in_base_lines(base_lines, header.company_id)
        taxes._round_base_lines_tax_details(base_lines, header.company_id)
        totals = taxes._get_tax_totals_summary(base_lines, header.currency_id, header.company_id)
        return {
            "amount_untaxed": totals["base_amount_currency"],
            "amount_total": totals["total_amount_currency"],
        }

    @api.model
    def _astpp_base_line(self, header, vals, products):
        """Return a base line for Odoo's tax engine; its ``vals`` are the values of the journal item."""
        account, taxes, unit = self._astpp_product_defaults(header, vals["product_id"], products)
        if "tax_ids" in vals:
            taxes = taxes.browse(vals["tax_ids"][0][2])
        if "account_id" in vals:
            account = account.browse(vals["account_id"])
        return self.env["account.tax"]._prepare_base_line_for_taxes_computation(
            None,
            product_id=self.env["product.product"].browse(vals["product_id"]),
            product_uom_id=unit,
            tax_ids=taxes,
            account_id=account,
            partner_id=header.commercial_partner_id._origin,
            currency_id=header.currency_id._origin,
            price_unit=vals["price_unit"],
            quantity=vals["quantity"],
            rate=header.invoice_currency_rate,
            sign=header.direction_sign,
            is_refund=header.move_type == "out_refund",
            name=vals["name"],
            astpp_date=header.invoice_date,
            vals={
                **vals,
                "account_id": account.id,
                "tax_ids": [Command.set(taxes.ids)],
                "product_uom_id": unit.id,
                "analytic_distribution": False,
            },
        )

    @api.model
    def _astpp_product_defaults(self, header, product_id, products):
        """Return the account, taxes and unit that Odoo would set for a product on such an invoice; cached."""
        position, journal = header.fiscal_position_id._origin, header.journal_id._origin
        key = (journal, position, header.move_type, product_id)
        if key not in products:
            line = self.new(
                {
                    "move_type": header.move_type,
                    "journal_id": journal.id,
                    "partner_id": header.partner_id._origin.id,
                    "fiscal_position_id": position.id,
                    "invoice_line_ids": [Command.create({"product_id": product_id})],
                }
            ).invoice_line_ids
            products[key] = (line.account_id._origin, line.tax_ids._origin, line.product_uom_id._origin)
        return products[key]

    @api.model
    def _astpp_term_lines(self, header, product_lines, tax_lines):
        """Return the values of the receivable lines, one for each instalment."""
        company, currency = header.company_id, header.currency_id._origin
        untaxed, untaxed_currency = self._astpp_totals(product_lines, company, currency)
        tax, tax_currency = self._astpp_totals(tax_lines, company, currency)
        term = header.invoice_payment_term_id._origin
        if not term:
            due = header.invoice_date_due or header.invoice_date or fields.Date.context_today(self)
            return [
                {
                    "display_type": "payment_term",
                    "date_maturity": due,
                    "balance": company.currency_id.round(untaxed + tax),
                    "amount_currency": currency.round(untaxed_currency + tax_currency),
                }
            ]
        instalments = term._compute_terms(
            date_ref=header.invoice_date or fields.Date.context_today(self),
            currency=currency,
            tax_amount_currency=tax_currency,
            tax_amount=tax,
            untaxed_amount_currency=untaxed_currency,
            untaxed_amount=untaxed,
            company=company,
            cash_rounding=None,
            sign=-header.direction_sign,
        )["line_ids"]
        by_date = {}
        for instalment in instalments:
            due = fields.Date.to_date(instalment["date"])
            line = by_date.setdefault(
                due, {"display_type": "payment_term", "date_maturity": due, "balance": 0.0, "amount_currency": 0.0}
            )
            line["balance"] += instalment["company_amount"]
            line["amount_currency"] += instalment["foreign_amount"]
        return list(by_date.values())

    @api.model
    def _astpp_totals(self, lines, company, currency):
        """Return the amount receivable for some lines, in the company's and in the invoice's currency."""
        return (
            company.currency_id.round(-sum(line["balance"] for line in lines)),
            currency.round(-sum(line["amount_currency"] for line in lines)),
        )
