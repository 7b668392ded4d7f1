from contextlib import contextmanager

from odoo import api, models

# Marks values that include all lines. It is an object, which no API client can send.
COMPLETE = object()
# Methods that Odoo calls to synchronise an invoice's lines and that bulk creation skips. If a module extends one of
# them, invoices have to be created by Odoo.
SYNC_HOOKS = {
    "account.move": (
        *("_get_sync_stack", "_sync_dynamic_lines", "_sync_dynamic_line", "_sync_tax_lines", "_sync_rounding_lines"),
        *("_sync_unbalanced_lines", "_sync_non_deductible_base_lines", "_sync_invoice", "_compute_needed_terms"),
        *("_prepare_product_base_line_for_taxes_computation", "_prepare_tax_line_for_taxes_computation"),
        *("_get_rounded_base_and_tax_lines", "_get_protected_vals"),
    ),
    "account.move.line": ("_sync_invoice", "_compute_totals", "_compute_all_tax", "_compute_term_key"),
}
# Modules whose extensions do not affect usage invoices: they concern expenses, deliveries and rounding lines.
SILENT = {"account", "astpp_billing", "hr_expense", "sale_stock", "l10n_it_edi"}


class AccountMove(models.Model):
    """Skip the synchronisation of invoices that are created with all their lines.

    All other moves are synchronised as usual, including those that other modules create while ours are created or
    posted.
    """

    _inherit = "account.move"

    @api.model_create_multi
    def create(self, vals_list):
        complete = bool(vals_list) and all(vals.pop("astpp_complete", None) is COMPLETE for vals in vals_list)
        if not complete:
            return super().create(vals_list)
        # Set only for the rest of the super() chain: modules that override create outside of ours never see it.
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
        """Return {"model.method": module} of the ``SYNC_HOOKS`` that installed modules extend."""
        found = {}
        for model, names in SYNC_HOOKS.items():
            for base in type(self.env[model]).mro():
                module = base.__module__.removeprefix("odoo.addons.").split(".")[0]
                if base.__module__.startswith("odoo.addons.") and module not in SILENT:
                    found |= {f"{model}.{name}": module for name in names if name in vars(base)}
        return found
