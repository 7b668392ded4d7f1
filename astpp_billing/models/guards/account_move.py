from odoo import api, models
from odoo.exceptions import UserError

from ..astpp_guard_mixin import admitted, check_vals


class AccountMove(models.Model):
    """Make our readonly fields on Odoo's documents readonly for every client: see ``astpp.guard.mixin``."""

    _inherit = "account.move"

    @api.model_create_multi
    def create(self, vals_list):
        return super(AccountMove, admitted(self, vals_list)).create(vals_list).with_env(self.env)

    def write(self, vals):
        if self._is_astpp_own():
            return super().write(vals)
        check_vals(self, vals)
        for name in ("astpp_account_id", "astpp_issuer_id"):
            settled = name in vals and self.filtered(
                lambda move, name=name: move[name].id != (vals[name] or False)
                and (move.state != "draft" or move._astpp_bills_usage())
            )
            if settled:
                raise UserError(
                    self.env._(
                        "%(move)s: %(field)s cannot change any more.",
                        move=settled[0].display_name,
                        field=self._fields[name]._description_string(self.env),
                    )
                )
        return super(AccountMove, self._astpp_own()).write(vals)

    def copy(self, default=None):
        return super(AccountMove, admitted(self, [default or {}])).copy(default).with_env(self.env)

    @api.model
    def _guarded_fields(self):
        """Return the names of the fields that only our own methods may write."""
        return _ours(self)


class AccountMoveLine(models.Model):
    """Guard our fields on the lines in the same way."""

    _inherit = "account.move.line"

    @api.model_create_multi
    def create(self, vals_list):
        return super(AccountMoveLine, admitted(self, vals_list)).create(vals_list).with_env(self.env)

    def write(self, vals):
        if not self._is_astpp_own():
            check_vals(self, vals)
        return super().write(vals)

    @api.model
    def _guarded_fields(self):
        """Return the names of the fields that only our own methods may write."""
        return _ours(self)


def _ours(records):
    return {
        name for name, field in records._fields.items() if name.startswith("astpp_") and field.readonly and field.store
    }
