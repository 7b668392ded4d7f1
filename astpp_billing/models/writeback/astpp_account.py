from uuid import uuid4

from odoo import api, models

from ...connector.balance import kept
from ...connector.changes import AccountIs, AccountSwitches, InvoicingOff, NumberSwitch
from .astpp_outbox import Queued


class AstppAccount(models.Model):
    """What Odoo decides about an account: whether it is served, up to which debt, and who invoices it."""

    _inherit = "astpp.account"

    @api.model_create_multi
    def create(self, vals_list):
        accounts = super().create(vals_list)
        accounts._queue_invoicing_off()
        return accounts

    def write(self, vals):
        # What ASTPP has just said need not be told to it.
        decides = "astpp_snapshot" not in vals and bool({"status", "credit_limit"} & vals.keys())
        before = {account: account._switches() for account in self} if decides else {}
        res = super().write(vals)
        if decides:
            self._queue_switches(before)
        elif vals.get("status") == "active":
            self._queue_numbers_on()
        if vals.get("invoice_enabled"):
            self._queue_invoicing_off()
        return res

    def _switches(self):
        """Return what Odoo decides about the account; a closed one is not served."""
        self.ensure_one()
        return AccountSwitches(
            **self._astpp_identity(), active=self.status == "active", credit_limit=kept(self.credit_limit)
        )

    def _astpp_identity(self):
        return {"account_id": self.astpp_id, "number": self.number}

    def _queue_switches(self, before):
        """Queue what differs from ``before``: {account: ``AccountSwitches``}."""
        changed = {account: account._switches().since(before[account]) for account in self.filtered("astpp_id")}
        self.env["astpp.outbox"]._enqueue_changes(
            account._queued(account.display_name, change) for account, change in changed.items() if change
        )

    def _queue_numbers_on(self):
        """Queue the numbers that Odoo switched off of accounts that ASTPP itself made active again."""
        entries = []
        for account in self:
            if switches := account._number_switches(True):
                # Should ASTPP have changed its mind by then, they stay off.
                still = AccountIs(**account._astpp_identity(), active=True)
                entries.append(account._queued(self.env._("Numbers of %s", account.display_name), still, *switches))
        self.env["astpp.outbox"]._enqueue_changes(entries)

    def _number_switches(self, on):
        """Return the changes that switch the account's numbers off or on, as its status goes.

        Calls to a number of an inactive account leave ASTPP's switch through a carrier; a number that is off has no
        route. Numbers that were off anyway are left alone, and so are those that ASTPP has given to somebody else.

        :param on: False switches off, True switches on what was switched off so
        """
        self.ensure_one()
        # A reseller's hold is not what ASTPP routes by.
        if self.account_type == "reseller":
            return []
        # Whoever may suspend an account need not see the inventory.
        dids = self.env["astpp.did"].sudo().with_context(active_test=False)
        domain = [("account_id", "=", self.id), ("astpp_id", "!=", 0), ("off_with_account", "=", on)]
        return [
            NumberSwitch(did_id=did.astpp_id, owner_id=self.astpp_id, on=on)
            for did in dids.search(domain, order="astpp_id")
        ]

    def _queue_invoicing_off(self):
        """Have ASTPP no longer invoice the accounts that Odoo invoices (ASTPP facts 3.3)."""
        invoiced = self.filtered(
            lambda account: account.astpp_id
            # sudo: a reseller's own company may say whom it invoices, and need not see the server.
            and account.sudo().server_id._writes("invoicing")
            and account.invoice_enabled
            and account.payment_mode == "postpaid"
            and account.status != "closed"
        )
        self.env["astpp.outbox"]._enqueue_changes(
            account._queued(self.env._("Invoiced by Odoo: %s", account.display_name), account._invoicing_off())
            for account in invoiced
        )

    def _invoicing_off(self):
        return InvoicingOff(**self._astpp_identity())

    def _queued(self, description, *changes, **links):
        """Return changes that the account's queue gets, under a key of their own.

        :param links: other values of the entry
        """
        key = f"{changes[0].kind}/{self.id}/{uuid4().hex[:12]}"
        return Queued(self, key, description, changes, links)
