from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL

from ...charge_types import CALLS, CONSUMPTION


class AccountMove(models.Model):
    """Recognise prepaid consumption: one entry per issuer and month, from customer advances to income.

    The entry's lines bill the usage as invoice lines do, so no usage is recognised twice.
    """

    _inherit = "account.move"

    astpp_recognition_month = fields.Date(
        string="Prepaid Consumption Until", readonly=True, copy=False, help="The first day that is not in it."
    )

    _recognition_uniq = models.UniqueIndex(
        "(astpp_issuer_id, astpp_recognition_month) WHERE astpp_recognition_month IS NOT NULL AND state != 'cancel' "
        "AND astpp_usage_released IS NOT TRUE",
        "This month is recognised already.",
    )

    @api.model
    def _astpp_recognise(self, issuer, until):
        """Create and post the entry that recognises what an issuer's prepaid accounts used before a day.

        Usage that arrives later goes on the next entry.

        :param until: date, the first day not included, in UTC
        :return: the entry, empty when nothing was used
        :raise UserError: when the issuer has no account for customer advances
        """
        if not issuer.advance_account_id:
            raise UserError(self.env._("Issuer %s has no account for customer advances.", issuer.display_name))
        groups = self._astpp_booked(issuer, until, self._astpp_collect_prepaid(issuer, until))
        if not groups:
            return self.browse()
        entry = self.create(self._astpp_recognition_vals(issuer, until, groups))
        lines = entry.line_ids.sorted("sequence")
        self.env["astpp.usage"]._bill(
            [(group, line) for (group, _rate, _value), line in zip(groups, lines, strict=False)]
        )
        entry._post(soft=False)
        return entry

    @api.model
    def _astpp_collect_prepaid(self, issuer, until):
        """Return the groups of prepaid usage that is on no entry yet, in the shape that ``_sum_unbilled`` returns."""
        groups = self.env["astpp.usage"]._sum_unbilled(
            "issuer_id",
            {issuer.id: (None, until)},
            by=("server_id", "charge_type", "product_id"),
            where=SQL("t.charge_type IN %s", CONSUMPTION),
            prepaid=True,
        )
        return sorted(
            groups,
            key=lambda group: (group["server_id"], group["charge_type"], group["product_id"] or float("inf")),
        )

    @api.model
    def _astpp_booked(self, issuer, until, groups):
        """Return [(group, rate, value in the company's currency)], each group at its own server's rate.

        Groups worth less than the smallest coin are left for a later month, because usage counts as booked once linked.
        """
        company, day = issuer.company_id, until - timedelta(days=1)
        # sudo: a reseller's own company books usage of the operator's server.
        servers = self.env["astpp.server"].sudo().browse({group["server_id"] for group in groups})
        rates = {server.id: server._usage_rate(company.currency_id, company, day) for server in servers}
        booked = [
            (group, rate, company.currency_id.round(float(group["amount"]) * rate))
            for group in groups
            for rate in (rates[group["server_id"]],)
        ]
        return [(group, rate, value) for group, rate, value in booked if value or not group["amount"]]

    @api.model
    def _astpp_recognition_vals(self, issuer, until, groups):
        """Return the values of the entry for the groups that ``_astpp_booked`` returned."""
        company = issuer.company_id
        journal = self.env["account.journal"].search(
            [*self.env["account.journal"]._check_company_domain(company), ("type", "=", "general")], limit=1
        )
        day = until - timedelta(days=1)
        labels = dict(self.env["astpp.usage"]._fields["charge_type"]._description_selection(self.env))
        lines = []
        for position, (group, rate, value) in enumerate(groups):
            charge_type = group["charge_type"]
            # sudo: as in ``_astpp_booked``.
            server = self.env["astpp.server"].sudo().browse(group["server_id"])
            default = server.call_product_id if charge_type in CALLS else server.charge_product_id
            product = (self.env["product.product"].sudo().browse(group["product_id"]) or default).with_company(company)
            income = issuer.clearing_account_id or product.product_tmpl_id.get_product_accounts()["income"]
            if not income:
                raise UserError(
                    self.env._(
                        "The product %(product)s has no income account in %(company)s.",
                        product=product.display_name,
                        company=company.name,
                    )
                )
            lines.append(
                {
                    "sequence": position,
                    "account_id": income.id,
                    "name": labels[charge_type],
                    "balance": -value,
                    "astpp_usage_amount": group["amount"],
                    "astpp_usage_rate": rate,
                }
            )
        owed = {
            "sequence": len(lines),
            "account_id": issuer.advance_account_id.id,
            "name": self.env._("Used by prepaid customers"),
            "balance": company.currency_id.round(sum(value for _group, _rate, value in groups)),
        }
        return {
            "move_type": "entry",
            "company_id": company.id,
            "journal_id": journal.id,
            "date": day,
            "ref": self.env._("Prepaid consumption until %(day)s, %(issuer)s", day=day, issuer=issuer.name),
            "astpp_issuer_id": issuer.id,
            "astpp_recognition_month": until,
            "line_ids": [Command.create(line) for line in [*lines, owed]],
        }
