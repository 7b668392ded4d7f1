from functools import wraps

from odoo import api, models
from odoo.exceptions import AccessError, UserError

# Says that our own methods are at work. An object: no client of the API can send it in a context.
OWN = object()


def ours(method):
    """Let a method of ours write readonly fields: those that are its outcome. Rights and rules go on as they are."""

    @wraps(method)
    def run(records, *args, **kwargs):
        return method(records._astpp_own(), *args, **kwargs)

    return run


class AstppGuardMixin(models.AbstractModel):
    """What people may write of a record, whatever their client sends: see ``guards``.

    - A field that is readonly is readonly for everybody but our own methods (``_astpp_own``): states and evidence.
    - What a record belongs to is frozen once it is used.
    - Rules are asked again after writing: most companies derive from the very field that changes.
    - A record that is named is one that the user may read: what is related to it is read without asking.
    """

    _name = "astpp.guard.mixin"
    _description = "Guard of Fields and Companies"
    # Set by the guards: names of fields, and a function that tells whether a record is used.
    _guard_frozen = frozenset()
    _guard_used = None
    # What a company may write of records that it invoices and does not own.
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
        """Compute a form's other fields, of records that the user may read."""
        if not self.env.su:
            check_targets(self, values)
        return super().onchange(values, field_names, fields_spec)

    @api.model
    def _guarded_fields(self):
        """Return the names of the fields that only our own methods write."""
        return {
            name
            for name, field in self._fields.items()
            if field.readonly and field.store and name not in models.MAGIC_COLUMNS
        }

    def _check_frozen(self, vals):
        """Refuse to move records that are used to another owner.

        :raise UserError: naming the field
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
        """Refuse what a company that only invoices these records has no say in.

        :raise AccessError: naming the fields
        """
        refused = vals.keys() - self._guard_billed_for
        # sudo: whose the records are decides what may be read of them.
        if refused and "billing_company_id" in self._fields and self.sudo().company_id - self.env.companies:
            raise _refusal(self, refused)


def admitted(records, vals_list):
    """Return the records as our own methods have them, once nothing is wrong with what is to be made of them.

    What our own overrides add to the values is ours.
    :raise AccessError: as ``check_vals``
    """
    if records._is_astpp_own():
        return records
    for vals in vals_list:
        check_vals(records, vals)
    return records._astpp_own()


def check_vals(records, vals):
    """Refuse values of readonly fields and records that the user may not read, in a form's lines as well.

    :raise AccessError: naming the fields, or as Odoo says it
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
    """Refuse to name records of ours that the user may not read.

    :raise AccessError: as Odoo says it
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
            # sudo: everybody may know what a record is called.
            record=env["ir.model"].sudo()._get(records._name).name,
            fields=", ".join(
                records._fields[name]._description_string(env) for name in names if name in records._fields
            ),
        )
    )


def _named_ids(field, value):
    """Return the ids of existing records that a value of a relational field names, as forms and the API send it."""
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
