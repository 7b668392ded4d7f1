from odoo import api, models

from ...connector.changes import AccountIs, NumberOwner, NumberReseller, NumberSwitch, NumberTaken
from .astpp_outbox import Queued


class AstppDid(models.Model):
    """Write back which numbers Odoo assigns or releases, because ASTPP routes their calls by it."""

    _inherit = "astpp.did"

    def _assign(self, subscription):
        before = {did: did._places() for did in self}
        res = super()._assign(subscription)
        entries = []
        for did, places in before.items():
            cause = f"give/{max(did.assignment_ids.ids)}"
            changes = did._place_changes(*places, given=True)
            entries += did._owner_entry(subscription.account_id, subscription, cause, self.env._("Given: %s"), changes)
        self.env["astpp.outbox"]._enqueue_changes(entries)
        return res

    def _release(self, subscriptions):
        before = [(did, did.account_id, did._places(), max(did.assignment_ids.ids, default=0)) for did in self]
        res = super()._release(subscriptions)
        entries = []
        for did, owner, places, last in before:
            if changes := did._place_changes(*places):
                subscription = subscriptions.filtered(lambda s, did=did: s.did_id == did)[:1]
                text = self.env._("Taken back: %s")
                entries += did._owner_entry(owner, subscription, f"take/{last}", text, changes)
        self.env["astpp.outbox"]._enqueue_changes(entries)
        return res

    def _places(self):
        """Return (customer, reseller) as ASTPP stores them: who has the number, who holds it (ASTPP facts 1.11)."""
        self.ensure_one()
        owner, is_reseller = self.account_id, self.account_id.account_type == "reseller"
        return owner.browse() if is_reseller else owner, self.reseller_id or (owner if is_reseller else owner.browse())

    def _place_changes(self, had, held, given=False):
        """Return the changes from (customer, reseller) to what they are now.

        If ASTPP has given the number to somebody else by then, they keep it.

        :param given: whether the number was just given, so that its owner is written even if Odoo had it so before
        """
        has, holds = self._places()
        changes = []
        if has and (given or has != had):
            changes.append(NumberOwner(did_id=self.astpp_id, account_id=has.astpp_id, holders=(0, has.astpp_id)))
        elif had and not has:
            changes.append(NumberTaken(did_id=self.astpp_id, holders=(0, had.astpp_id)))
        if holds != held or (given and not has):
            holders = tuple(dict.fromkeys((0, *held.mapped("astpp_id"), *holds.mapped("astpp_id"))))
            changes.append(NumberReseller(did_id=self.astpp_id, account_id=holds.astpp_id or 0, holders=holders))
        return changes

    def _owner_entry(self, account, subscription, cause, text, changes):
        """Return the entry for an account's queue as a list, which is empty if ASTPP does not know the number."""
        self.ensure_one()
        links = {"did_id": self.id, "subscription_id": subscription.id}
        key, description = f"did/{self.id}/{cause}", text % self.number
        return [Queued(account, key, description, changes, links)] if self.astpp_id else []

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
