from odoo import fields, models

from ..astpp_guard_mixin import ours


class AccountMove(models.Model):
    """Usage is converted at the rate of the invoice date, and again when a draft's date changes."""

    _inherit = "account.move"

    @ours
    def _astpp_convert_again(self):
        """Convert the usage of these drafts at the rate of their date; prices that users changed are kept.

        :raise UserError: when Odoo has no rate for a currency on that day
        """
        drafts = self.filtered(
            lambda move: move.state == "draft"
            and move.astpp_run_id
            and (
                # sudo: users who confirm invoices may have no access to the server.
                move.currency_id != move.astpp_account_id.sudo().server_id.currency_id
                or any(line.astpp_usage_rate not in (0, 1) for line in move.invoice_line_ids)
            )
        )
        if not drafts:
            return
        servers = drafts._astpp_servers_of_lines()
        for move in drafts:
            day, sign = move.invoice_date or fields.Date.context_today(move), move.direction_sign
            for line in move.invoice_line_ids.filtered(lambda line: line.id in servers):
                rate = servers[line.id]._usage_rate(move.currency_id, move.company_id, day)
                before = line.astpp_usage_rate or move.astpp_rate or 1
                worth = -sign * line.astpp_usage_amount
                values = {"astpp_usage_rate": rate}
                # Compare amounts to find prices that users changed: the invoice may have had another currency before.
                if not line.currency_id.compare_amounts(line.price_unit, worth * before):
                    values["price_unit"] = move.currency_id.round(worth * rate)
                if rate != before or values.get("price_unit", line.price_unit) != line.price_unit:
                    line.write(values)
            move.astpp_rate = move.invoice_line_ids.filtered("astpp_usage_rate")[:1].astpp_usage_rate

    def _astpp_servers_of_lines(self):
        """Return {invoice line id: the ASTPP server whose usage it bills}, sudoed."""
        # sudo: as above.
        servers = self.env["astpp.server"].sudo()
        sums = self.env["astpp.usage"]._billed_sums(self, "server_id")
        return {row["move_line_id"]: servers.browse(row["server_id"]) for row in sums}
