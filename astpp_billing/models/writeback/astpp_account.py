from uuid import uuid4

from odoo import api, models

from ...connector.balance import kept
from ...connector.changes import AccountIs, AccountSwitches, InvoicingOff, NumberSwitch
from .astpp_outbox import Queued


class AstppAccount(models.Model):
    """Write back what Odoo decides about an account: whether it is active, its credit limit, and who invoices it."""

    _inherit = "astpp.account"

    @api.model_create_multi
    def create(self, vals_list):
        accounts = super().create(vals_list)
        accounts._queue_invoicing_off()
        return accounts

    def write(self, vals):
        # A write with a snapshot comes from the synchronisation: ASTPP need not be told what it has just reported.
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
        """Return the values that Odoo decides; a closed account is inactive in ASTPP."""
        self.ensure_one()
        return AccountSwitches(
            **self._astpp_identity(), active=self.status == "active", credit_limit=kept(self.credit_limit)
        )

    def _astpp_identity(self):
        return {"account_id": self.astpp_id, "number": self.number}

    def _queue_switches(self, before):
        """Queue the values that differ from ``before``, {account: ``AccountSwitches``}."""
        changed = {account: account._switches().since(before[account]) for account in self.filtered("astpp_id")}
        self.env["astpp.outbox"]._enqueue_changes(
            account._queued(account.display_name, change) for account, change in changed.items() if change
        )

    def _queue_numbers_on(self):
        """Queue switching on the numbers that Odoo had switched off, for accounts that ASTPP itself reactivated."""
        entries = []
        for account in self:
            if switches := account._number_switches(True):
                # If ASTPP has deactivated the account again by then, its numbers stay off.
                still = AccountIs(**account._astpp_identity(), active=True)
                entries.append(account._queued(self.env._("Numbers of %s", account.display_name), still, *switches))
        self.env["astpp.outbox"]._enqueue_changes(entries)

    def _number_switches(self, on):
        """Return the changes that switch the account's numbers off or on, following the account's status.

        ASTPP would route calls to an inactive account's number through a carrier; a number that is switched off has no
        route. Numbers that were off already, or that ASTPP has given to somebody else, are left alone.

        :param on: False to switch off; True to switch on what was switched off in this way
        """
        self.ensure_one()
        # ASTPP does not route calls by which reseller holds a number.
        if self.account_type == "reseller":
            return []
        # sudo: whoever may suspend an account may have no access to numbers.
        dids = self.env["astpp.did"].sudo().with_context(active_test=False)
        domain = [("account_id", "=", self.id), ("astpp_id", "!=", 0), ("off_with_account", "=", on)]
        return [
            NumberSwitch(did_id=did.astpp_id, owner_id=self.astpp_id, on=on)
            for did in dids.search(domain, order="astpp_id")
        ]

    def _queue_invoicing_off(self):
        """Queue that ASTPP stops invoicing the accounts that Odoo invoices (ASTPP facts 3.3)."""
        invoiced = self.filtered(
            lambda account: account.astpp_id
            # sudo: a reseller's own company may choose whom it invoices, but has no access to the server.
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
        """Return a ``Queued`` entry with these changes for the account, under a new key.

        :param links: other values of the entry
        """
        key = f"{changes[0].kind}/{self.id}/{uuid4().hex[:12]}"
        return Queued(self, key, description, changes, links)
