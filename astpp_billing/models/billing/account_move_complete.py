from contextlib import contextmanager

from odoo import api, models

# Marks values that come with all lines. An object: no client of the API can send it.
COMPLETE = object()
# What Odoo calls when it synchronises an invoice's lines, and the bulk path does not: a module that extends one of
# these has something to say about each invoice.
SYNC_HOOKS = {
    "account.move": (
        *("_get_sync_stack", "_sync_dynamic_lines", "_sync_dynamic_line", "_sync_tax_lines", "_sync_rounding_lines"),
        *("_sync_unbalanced_lines", "_sync_non_deductible_base_lines", "_sync_invoice", "_compute_needed_terms"),
        *("_prepare_product_base_line_for_taxes_computation", "_prepare_tax_line_for_taxes_computation"),
        *("_get_rounded_base_and_tax_lines", "_get_protected_vals"),
    ),
    "account.move.line": ("_sync_invoice", "_compute_totals", "_compute_all_tax", "_compute_term_key"),
}
# Modules whose extensions say nothing about invoices of usage: they are about expenses, deliveries, rounding lines.
SILENT = {"account", "astpp_billing", "hr_expense", "sale_stock", "l10n_it_edi"}


class AccountMove(models.Model):
    """Invoices that come with all their lines have nothing to be synchronised; all other moves do, also those that
    another module makes while ours are created or posted."""

    _inherit = "account.move"

    @api.model_create_multi
    def create(self, vals_list):
        complete = bool(vals_list) and all(vals.pop("astpp_complete", None) is COMPLETE for vals in vals_list)
        if not complete:
            return super().create(vals_list)
        # From here on inwards: what modules around this one make of it is not theirs alone.
        moves = self.with_context(skip_invoice_sync=True, skip_invoice_line_sync=True, astpp_bulk=True)
        return super(AccountMove, moves).create(vals_list).with_env(self.env)

    @contextmanager
    def _sync_dynamic_lines(self, container):
        settled = self.env.context.get("astpp_settled_ids", frozenset())
        if container["records"] and settled.issuperset(container["records"].ids):
            yield
            return
        with super()._sync_dynamic_lines(container):
            yield

    @api.model
    def _astpp_extended_hooks(self):
        """Return the hooks of Odoo's synchronisation that installed modules extend, as model.method: module."""
        found = {}
        for model, names in SYNC_HOOKS.items():
            for base in type(self.env[model]).mro():
                module = base.__module__.removeprefix("odoo.addons.").split(".")[0]
                if base.__module__.startswith("odoo.addons.") and module not in SILENT:
                    found |= {f"{model}.{name}": module for name in names if name in vars(base)}
        return found
