from functools import wraps

from odoo import api, models
from odoo.exceptions import AccessError, UserError

# Context value that marks our own methods. It is an object, which no API client can send, so it cannot be forged.
OWN = object()


def ours(method):
    """Let a method of ours write readonly fields. Access rights and record rules still apply."""

    @wraps(method)
    def run(records, *args, **kwargs):
        return method(records._astpp_own(), *args, **kwargs)

    return run


class AstppGuardMixin(models.AbstractModel):
    """Enforce on the server what users may write, whatever their client sends; applied to our models in ``guards``.

    - Readonly fields (states, evidence) can only be written by our own methods (see ``_astpp_own``).
    - A record cannot move to another owner once it is in use.
    - Record rules are checked again after writing, because the company is often derived from the field that changed.
    - Values can only refer to records that the user may read, because related fields are read with sudo.
    """

    _name = "astpp.guard.mixin"
    _description = "Guard of Fields and Companies"
    # Set in models/guards: fields that cannot change once a record is used, and a function that tells whether it is.
    _guard_frozen = frozenset()
    _guard_used = None
    # Fields that a company may write on records that it invoices but does not own.
    _guard_billed_for = frozenset()

    @api.model_create_multi
    def create(self, vals_list):
        records = super(AstppGuardMixin, admitted(self, vals_list)).create(vals_list).with_env(self.env)
        if not self._is_astpp_own():
            records.check_access("create")
        return records

    def write(self, vals):
        if self._is_astpp_own():
            return super().write(vals)
        check_vals(self, vals)
        self._check_frozen(vals)
        self._check_billed_for(vals)
        res = super(AstppGuardMixin, self._astpp_own()).write(vals)
        self.check_access("write")
        return res

    def copy(self, default=None):
        records = super(AstppGuardMixin, admitted(self, [default or {}])).copy(default).with_env(self.env)
        if not self._is_astpp_own():
            records.check_access("create")
        return records

    def onchange(self, values, field_names, fields_spec):
        """Refuse values that refer to records that the user may not read: onchange would disclose them."""
        if not self.env.su:
            check_targets(self, values)
        return super().onchange(values, field_names, fields_spec)

    @api.model
    def _guarded_fields(self):
        """Return the names of the fields that only our own methods may write."""
        return {
            name
            for name, field in self._fields.items()
            if field.readonly and field.store and name not in models.MAGIC_COLUMNS
        }

    def _check_frozen(self, vals):
        """Refuse to move a record that is in use to another owner.

        :raise UserError: names the field
        """
        for name in self._guard_frozen & vals.keys():
            for record in self:
                if record[name] and record[name].id != vals[name] and self._guard_used(record):
                    raise UserError(
                        self.env._(
                            "%(record)s is in use: %(field)s cannot change any more.",
                            record=record.display_name,
                            field=self._fields[name]._description_string(self.env),
                        )
                    )

    def _check_billed_for(self, vals):
        """Refuse changes to other fields by a company that invoices these records but does not own them.

        :raise AccessError: names the fields
        """
        refused = vals.keys() - self._guard_billed_for
        # sudo: the user may not have access to the company that owns the records.
        if refused and "billing_company_id" in self._fields and self.sudo().company_id - self.env.companies:
            raise _refusal(self, refused)


def admitted(records, vals_list):
    """Check the values of new records and return ``records`` marked as our own.

    The mark lets our own overrides of ``create`` and ``copy`` add values of readonly fields.

    :raise AccessError: see ``check_vals``
    """
    if records._is_astpp_own():
        return records
    for vals in vals_list:
        check_vals(records, vals)
    return records._astpp_own()


def check_vals(records, vals):
    """Refuse values of readonly fields and references to records that the user may not read, also in x2many lines.

    :raise AccessError: names the fields; Odoo's own error for unreadable records
    """
    guarded = records._guarded_fields() if hasattr(records, "_guarded_fields") else ()
    if refused := [name for name in vals if name in guarded]:
        raise _refusal(records, refused)
    check_targets(records, vals)
    for name, value in vals.items():
        field = records._fields.get(name)
        if field and field.type in ("one2many", "many2many") and isinstance(value, (list, tuple)):
            for command in value:
                if isinstance(command, (list, tuple)) and len(command) == 3 and isinstance(command[2], dict):
                    check_vals(records.env[field.comodel_name], command[2])


def check_targets(records, vals):
    """Refuse references to records of our models that the user may not read.

    :raise AccessError: Odoo's own
    """
    for name, value in vals.items():
        field = records._fields.get(name)
        ours_named = field and field.comodel_name and field.comodel_name.startswith("astpp.")
        if ours_named and (ids := _named_ids(field, value)):
            records.env[field.comodel_name].browse(ids).exists().check_access("read")


def _refusal(records, names):
    env = records.env
    return AccessError(
        env._(
            "%(record)s: %(fields)s cannot be set.",
            # sudo: ordinary users cannot read ir.model, but the model's name is no secret.
            record=env["ir.model"].sudo()._get(records._name).name,
            fields=", ".join(
                records._fields[name]._description_string(env) for name in names if name in records._fields
            ),
        )
    )


def _named_ids(field, value):
    """Return the ids of existing records in a relational field's value, in any form that clients send."""
    if field.type == "many2one":
        value = value.get("id") if isinstance(value, dict) else value
        value = value[0] if isinstance(value, (list, tuple)) and value else value
        return [value] if isinstance(value, int) and value else []
    ids = []
    for command in value if isinstance(value, (list, tuple)) else ():
        if isinstance(command, (list, tuple)):
            ids += [key for part in command[1:] for key in (part if isinstance(part, (list, tuple)) else [part])]
        else:
            ids.append(command)
    return [key for key in ids if isinstance(key, int) and key]
