from odoo import api, models

from ...connector.changes import AccountIs, NumberOwner, NumberReseller, NumberSwitch, NumberTaken
from .astpp_outbox import Queued


class AstppDid(models.Model):
    """Write back which numbers Odoo assigns or releases, because ASTPP routes their calls by it."""

    _inherit = "astpp.did"

    def _assign(self, subscription):
        account = subscription.account_id
        holders = {did: did.account_id for did in self}
        res = super()._assign(subscription)
        entries = []
        for did, holder in holders.items():
            is_reseller = account.account_type == "reseller"
            # The number may also be held by the reseller above, who passes it on to the one below.
            above = holder.mapped("astpp_id") if is_reseller and holder != account else ()
            # ASTPP stores the reseller and the customer of a number separately (ASTPP facts 1.11).
            change = (NumberReseller if is_reseller else NumberOwner)(
                did_id=did.astpp_id, account_id=account.astpp_id, holders=(0, account.astpp_id, *above)
            )
            last = max(did.assignment_ids.ids)
            entries += did._owner_entry(account, subscription, f"give/{last}", self.env._("Given: %s"), change)
        self.env["astpp.outbox"]._enqueue_changes(entries)
        return res

    def _release(self, subscriptions):
        before = [
            (did, did.account_id, max(did.assignment_ids.ids, default=0), did._holding_order(subscriptions).account_id)
            for did in self
        ]
        res = super()._release(subscriptions)
        text, entries = self.env._("Taken back: %s"), []
        for did, owner, last, held_by in before:
            subscription = subscriptions.filtered(lambda s, did=did: s.did_id == did)[:1]
            if owner in subscriptions.account_id and owner.account_type != "reseller":
                # If ASTPP has given the number to somebody else by then, they keep it.
                change = NumberTaken(did_id=did.astpp_id, holders=(0, owner.astpp_id))
                entries += did._owner_entry(owner, subscription, f"take/{last}", text, change)
            holder = did._holding_order().account_id
            if held_by != holder:
                holders = (0, *held_by.mapped("astpp_id"), *holder.mapped("astpp_id"))
                change = NumberReseller(did_id=did.astpp_id, account_id=holder.astpp_id or 0, holders=holders)
                entries += did._owner_entry(held_by, subscription, f"end/{subscription.id}", text, change)
        self.env["astpp.outbox"]._enqueue_changes(entries)
        return res

    def _owner_entry(self, account, subscription, cause, text, change):
        """Return the entry for an account's queue as a list, which is empty if ASTPP does not know the number."""
        self.ensure_one()
        links = {"did_id": self.id, "subscription_id": subscription.id}
        key, description = f"did/{self.id}/{cause}", text % self.number
        return [Queued(account, key, description, [change], links)] if self.astpp_id else []

    @api.model
    def _note_switched(self, server, changes, outcome):
        """Record which numbers are switched off because of their owners, and which are on again.

        :param changes: the changes that were written
        :param outcome: ``connector.writer.Outcome``
        """
        first, found = changes[0], outcome.before[0]
        if isinstance(first, AccountIs) and not first.row().is_meant(found):
            return
        switched = {True: [], False: []}
        for change, found in zip(changes, outcome.before, strict=True):
            if isinstance(change, NumberSwitch):
                row = change.row()
                # After a crash, the values that were found are the ones written.
                if change.on or (row.is_made(found) if outcome.known else row.is_meant(found)):
                    switched[not change.on].append(change.did_id)
        for off, ids in switched.items():
            if ids:
                # After a crash, numbers that were off anyway look the same in ASTPP: skip those inactive in Odoo.
                dids = self.sudo().with_context(active_test=off and outcome.known)
                dids.search([("server_id", "=", server.id), ("astpp_id", "in", ids)]).off_with_account = off

    @api.model
    def _off_by_odoo(self, server, records, accounts):
        """Return the ASTPP ids of numbers that are off only because Odoo switched them off: they stay active here.

        If ASTPP has meanwhile given such a number to somebody else, or released it, it is switched on again.

        :param records: list of ``connector.records.Did``
        :param accounts: {ASTPP id: account id}
        """
        domain = [("server_id", "=", server.id), ("off_with_account", "=", True)]
        off = {did.astpp_id: did for did in self.with_context(active_test=False).search(domain)}
        entries, ours = [], set()
        for record in records:
            if not (did := off.get(record.id)):
                continue
            owner = accounts.get(record.account_id, False)
            moved = owner not in (did.account_id.id, (did.astpp_snapshot or {}).get("account_id", owner))
            is_on = self.env["astpp.account"].browse(owner).status == "active" if owner else True
            if moved and is_on and not (did.account_id and server._writes("account")):
                did.off_with_account = False
                continue
            if moved and is_on:
                switch = NumberSwitch(did_id=record.id, owner_id=record.account_id, on=True)
                entries.append(did.account_id._queued(self.env._("Number %s", did.number), switch, did_id=did.id))
            ours.add(record.id)
        self.env["astpp.outbox"]._enqueue_changes(entries)
        return ours
