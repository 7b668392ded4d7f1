from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL

from ...charge_types import CALLS, CONSUMPTION


class AccountMove(models.Model):
    """Prepaid consumption: from what is owed to customers to income, one entry an issuer and month.

    The entry's lines bill the usage as invoice lines do: what is on one entry is on no other.
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
        """Make and post the entry of what prepaid accounts of an issuer used before a day.

        Usage that arrives later is on the next entry.

        :param until: date, the first day that is left out, in UTC
        :return: the entry, empty when nothing was used
        :raise UserError: when the issuer books no advances
        """
        if not issuer.advance_account_id:
            raise UserError(self.env._("Issuer %s has no account for customer advances.", issuer.display_name))
        self.env["astpp.usage"].flush_model()
        groups = self._astpp_booked(issuer, until, self._astpp_collect_prepaid(issuer, until))
        if not groups:
            return self.browse()
        entry = self.create(self._astpp_recognition_vals(issuer, until, groups))
        self._astpp_link_prepaid(issuer, until, groups, entry)
        entry._post(soft=False)
        return entry

    @api.model
    def _astpp_prepaid_where(self, issuer, until):
        return SQL(
            "u.issuer_id = %s AND u.prepaid AND u.date < %s AND u.charge_type IN %s "
            "AND u.move_line_id IS NULL AND u.exception IS NULL",
            issuer.id,
            until,
            CONSUMPTION,
        )

    @api.model
    def _astpp_collect_prepaid(self, issuer, until):
        """Return [(server id, charge type, product id, lines, amount)] of prepaid usage that no entry has."""
        return self.env.execute_query(
            SQL(
                """
                SELECT u.server_id, u.charge_type, u.product_id, count(*), sum(u.amount) FROM astpp_usage u
                 WHERE %s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
                """,
                self._astpp_prepaid_where(issuer, until),
            )
        )

    @api.model
    def _astpp_booked(self, issuer, until, groups):
        """Return [(group, rate, value in the company's currency)], each group at the rate of its own server.

        What is worth less than the smallest coin is left for a later month: usage that is linked is booked.
        """
        company, day = issuer.company_id, until - timedelta(days=1)
        # sudo: a reseller's own company books usage of the operator's server.
        servers = self.env["astpp.server"].sudo().browse({group[0] for group in groups})
        rates = {server.id: server._usage_rate(company.currency_id, company, day) for server in servers}
        booked = [
            (group, rates[group[0]], company.currency_id.round(float(group[4]) * rates[group[0]])) for group in groups
        ]
        return [entry for entry in booked if entry[2] or not entry[0][4]]

    @api.model
    def _astpp_recognition_vals(self, issuer, until, groups):
        """Return the values of the entry of what ``_astpp_booked`` returned."""
        company = issuer.company_id
        journal = self.env["account.journal"].search(
            [*self.env["account.journal"]._check_company_domain(company), ("type", "=", "general")], limit=1
        )
        day = until - timedelta(days=1)
        labels = dict(self.env["astpp.usage"]._fields["charge_type"]._description_selection(self.env))
        lines = []
        for position, ((server_id, charge_type, product_id, _count, amount), rate, value) in enumerate(groups):
            # sudo: as in ``_astpp_booked``.
            server = self.env["astpp.server"].sudo().browse(server_id)
            default = server.call_product_id if charge_type in CALLS else server.charge_product_id
            product = (self.env["product.product"].sudo().browse(product_id) or default).with_company(company)
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
                    "astpp_usage_amount": amount,
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

    @api.model
    def _astpp_link_prepaid(self, issuer, until, groups, entry):
        """Point the usage to the entry's lines, in one statement whose count must be that of the sums."""
        lines = entry.line_ids.sorted("sequence")
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage u SET move_line_id = link.line_id, move_id = %s
                  FROM unnest(%s::int[], %s::text[], %s::int[], %s::int[])
                    AS link(server_id, charge_type, product_id, line_id)
                 WHERE u.server_id = link.server_id AND u.charge_type = link.charge_type
                   AND u.product_id IS NOT DISTINCT FROM link.product_id AND %s
                """,
                entry.id,
                [group[0] for group, _rate, _value in groups],
                [group[1] for group, _rate, _value in groups],
                [group[2] for group, _rate, _value in groups],
                [line.id for line, _group in zip(lines, groups, strict=False)],
                self._astpp_prepaid_where(issuer, until),
            )
        )
        expected = sum(group[3] for group, _rate, _value in groups)
        if self.env.cr.rowcount != expected:
            raise AssertionError(f"{self.env.cr.rowcount} usage lines linked, {expected} summed")
        self.env["astpp.usage"].invalidate_model(["move_line_id", "move_id"])
