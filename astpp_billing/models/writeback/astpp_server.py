from odoo import api, fields, models

from ...connector.changes import BALANCE_KINDS, KINDS, ROW_KINDS
from ...connector.schema import Finding
from ...connector.write_rights import missing_rights


class AstppServer(models.Model):
    """What is written back to the server's ASTPP: nothing, unless it is switched on."""

    _inherit = "astpp.server"

    write_credit = fields.Boolean(
        string="Write Back Top-ups and Coupons", tracking=True, help="Adds them to the accounts' balances in ASTPP."
    )
    write_charge = fields.Boolean(
        string="Write Back Charges", tracking=True, help="Takes what Odoo charges from the accounts' balances in ASTPP."
    )
    write_payment = fields.Boolean(
        string="Write Back Payments",
        tracking=True,
        help="What is paid of invoices lowers what postpaid accounts owe in ASTPP.",
    )
    write_order = fields.Boolean(
        string="Write Back Orders",
        tracking=True,
        help="Periods that Odoo renewed, changed terms and ends of ASTPP's orders; renewing sets the minutes used to 0.",
    )
    write_did = fields.Boolean(
        string="Write Back Numbers",
        tracking=True,
        help="Owners of numbers; a number that is taken back is not forwarded.",
    )
    write_account = fields.Boolean(
        string="Write Back Accounts",
        tracking=True,
        help="Accounts that are suspended or active again in Odoo, with their numbers, and their credit limits.",
    )
    write_invoicing = fields.Boolean(
        string="Switch Off ASTPP's Invoices",
        tracking=True,
        help="Accounts that Odoo invoices are no longer invoiced by ASTPP. Odoo then decides alone whom it invoices.",
    )
    write_from = fields.Datetime(
        string="Changes Since",
        tracking=True,
        copy=False,
        help="Changes of balances from before are not written: they were made in ASTPP by hand. Set when the first "
        "switch is set.",
    )
    outbox_count = fields.Integer(compute="_compute_outbox_count", string="Changes Waiting")

    def _compute_outbox_count(self):
        counts = dict(
            self.env["astpp.outbox"]._read_group(
                [("server_id", "in", self.ids), ("state", "in", ("waiting", "failed"))], ["server_id"], ["__count"]
            )
        )
        for server in self:
            server.outbox_count = counts.get(server, 0)

    @api.model_create_multi
    def create(self, vals_list):
        servers = super().create(vals_list)
        servers._begin_writing()
        return servers

    def write(self, vals):
        invoicing = self.filtered("write_invoicing")
        on = [kind for kind in BALANCE_KINDS if vals.get(f"write_{kind}")]
        # A user who sets ``write_from`` thereby decides about earlier changes as well.
        later = (
            {} if "write_from" in vals else {s: [k for k in on if not s[f"write_{k}"]] for s in self if s.write_from}
        )
        res = super().write(vals)
        self._begin_writing()
        if vals.get("write_from"):
            self._queue_noted(BALANCE_KINDS)
        for server, kinds in later.items():
            server._decide_earlier(kinds)
        self._skip_rows([kind for kind in ROW_KINDS if vals.get(f"write_{kind}") is False])
        if vals.get("write_invoicing"):
            (self - invoicing).account_ids._queue_invoicing_off()
        return res

    def _begin_writing(self):
        for server in self.filtered(lambda server: server._written_kinds() and not server.write_from):
            # Changes of this same transaction must count as later ones.
            server.write_from = self._now()

    def _now(self):
        return self.env.cr.now().replace(microsecond=0, tzinfo=None)

    def _queue_noted(self, kinds):
        """Queue changes since ``write_from`` that were only recorded, if their kind is written back now."""
        for server in self:
            written = [kind for kind in kinds if server._writes(kind)]
            noted = [("server_id", "=", server.id), ("kind", "in", written), ("state", "=", "off")]
            # sudo: whoever may set the server's switches may not write changes directly.
            entries = self.env["astpp.outbox"].sudo().search([*noted, ("create_date", ">=", server.write_from)])
            entries.state = "waiting"

    def _decide_earlier(self, kinds):
        """Decide what happens to changes recorded before these kinds were switched on.

        When a kind is switched on for the first time, they are skipped: they were made in ASTPP by hand. When it was
        only off for a while, they are queued.
        """
        # sudo: whoever may set the server's switches may not write changes directly.
        outbox = self.env["astpp.outbox"].sudo()
        for kind in kinds:
            domain = [("server_id", "=", self.id), ("kind", "=", kind)]
            tried = [*domain, "|", ("state", "in", ("waiting", "applied", "failed")), ("attempts", ">", 0)]
            if not outbox.search_count(tried, limit=1):
                message = self.env._("From before changes of this kind were written.")
                earlier = [*domain, ("state", "=", "off"), ("create_date", "<", self._now())]
                outbox.search(earlier).write({"state": "skipped", "message": message})
        self._queue_noted(kinds)

    def _skip_rows(self, kinds):
        """Skip waiting row changes of kinds that were switched off: they would be outdated later."""
        if kinds:
            domain = [("server_id", "in", self.ids), ("kind", "in", kinds), ("state", "in", ("waiting", "failed"))]
            # sudo: as in ``_decide_earlier``.
            entries = self.env["astpp.outbox"].sudo().search(domain)
            entries.write({"state": "skipped", "message": self.env._("Changes of this kind were switched off.")})

    def _tell_unreachable(self, reason):
        """Alert the responsible user, once, that changes wait because ASTPP does not answer."""
        self.ensure_one()
        self._raise_alert("unreachable", self.env._("Changes wait: ASTPP does not answer"), reason)

    def _settle_outbox_alerts(self):
        """Clear the alert about failed changes once none is failed any more."""
        failed = (
            self.env["astpp.outbox"]
            .sudo()
            ._read_group([("server_id", "in", self.ids), ("state", "=", "failed")], ["server_id"])
        )
        (self - self.browse(server.id for (server,) in failed))._clear_alert("outbox")

    def _written_kinds(self):
        """Return the kinds of changes that are switched on."""
        self.ensure_one()
        return [kind for kind in KINDS if self[f"write_{kind}"]]

    def _writes(self, kind):
        """Tell whether changes of a kind are written back."""
        self.ensure_one()
        return bool(self.host and self[f"write_{kind}"])

    def _check_writing(self, deadline=None):
        """Return findings about the privileges that writing back needs.

        :param deadline: as for the connector's ``Database``
        """
        self.ensure_one()
        kinds = self._written_kinds()
        findings = (
            [Finding("error", text) for text in missing_rights(self._settings(), kinds, deadline)] if kinds else []
        )
        if self.write_payment and not self.write_charge:
            text = self.env._(
                "Payments are written back and Odoo's charges are not: where Odoo charges renewals and fees, ASTPP's "
                "balances come out too low."
            )
            findings.append(Finding("warning", text))
        if self.renewals_by == "odoo" and not self.write_charge:
            text = self.env._(
                "Odoo renews, and its charges are not written back: balances in ASTPP go down only where somebody "
                "enters the charges there, and prepaid customers may spend the same money twice."
            )
            findings.append(Finding("warning", text))
        return findings

    def action_preview_outbox(self):
        """Show what would be written now, value by value, without writing anything."""
        self.ensure_one()
        self.check_access("write")
        lines = self.env["astpp.outbox.preview"]._make(self)
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_outbox_preview")
        return action | {"domain": [("id", "in", lines.ids)]}

    def action_compare_outbox(self):
        """Compare ASTPP with Odoo, and list the differences and their causes."""
        self.ensure_one()
        self.check_access("write")
        self.env["astpp.outbox.difference"]._compare(self)
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_outbox_difference")
        return action | {"domain": [("server_id", "=", self.id)]}

    def action_view_outbox(self):
        """Open this server's changes."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_outbox")
        return action | {"domain": [("server_id", "in", self.ids)]}
