from odoo import fields, models


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    astpp_usage_amount = fields.Float(
        string="Usage Amount",
        digits=(20, 6),
        readonly=True,
        copy=False,
        aggregator=None,
        help="What the line's usage added up to when it was billed, in the currency of the ASTPP server.",
    )

    astpp_usage_rate = fields.Float(
        string="Usage Rate",
        digits=0,
        readonly=True,
        copy=False,
        aggregator=None,
        help="Invoice currency for one unit of the currency of the ASTPP server whose usage the line bills.",
    )

    def _check_company(self, fnames=None):
        """For bulk creation, check each account, tax, customer … once instead of once for each line."""
        if not self.env.context.get("astpp_bulk"):
            return super()._check_company(fnames)
        for name in self._fields if fnames is None else fnames:
            field = self._fields[name]
            if field.relational and field.check_company:
                kinds = self.grouped(lambda line, name=name: (line.company_id, line[name]))
                one_of_each = self.browse().concat(*(lines[0] for lines in kinds.values()))
                super(AccountMoveLine, one_of_each)._check_company([name])
        return None

    def unlink(self):
        self.env["astpp.usage"]._free(self)
        self.env["astpp.usage"]._drop_credit(self.filtered("move_id.astpp_credits_lines"))
        return super().unlink()
