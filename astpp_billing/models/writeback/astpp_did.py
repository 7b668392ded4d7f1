from uuid import uuid4

from odoo import api, models

from ...connector.writer import RowChange, is_meant

# Where calls to a number go, as ASTPP clears it on release (ASTPP facts 4.4).
FORWARDING = {
    "extensions": "",
    **{
        column: value
        for case in ("always", "user_busy", "user_not_registered", "no_answer")
        for column, value in ((case, 0), (f"{case}_destination", ""))
    },
    "failover_extensions": "",
}


class AstppDid(models.Model):
    """Numbers that Odoo gives or takes back: ASTPP sends their calls accordingly."""

    _inherit = "astpp.did"

    def _assign(self, subscription):
        account = subscription.account_id
        holders = {did: did.account_id for did in self}
        res = super()._assign(subscription)
        entries = []
        for did, holder in holders.items():
            # ASTPP keeps the reseller's and the customer's hold on a number apart (ASTPP facts 1.11).
            expected = [0, account.astpp_id]
            if account.account_type == "reseller" and holder != account:
                # The reseller above gives it to the one below him.
                expected += holder.mapped("astpp_id")
            column = "parent_id" if account.account_type == "reseller" else "accountid"
            rows = {"values": {column: account.astpp_id}, "expected": {column: expected}}
            last = max(did.assignment_ids.ids)
            entries.append(did._owner_entry(account, subscription, f"give/{last}", self.env._("Given: %s"), rows))
        self._queue_owners(entries)
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
                # Who has it by now keeps it.
                rows = {"values": {"accountid": 0} | FORWARDING, "expected": {"accountid": [0, owner.astpp_id]}}
                entries.append(did._owner_entry(owner, subscription, f"take/{last}", text, rows))
            holder = did._holding_order().account_id
            if held_by != holder:
                ids = [0, *held_by.mapped("astpp_id"), *holder.mapped("astpp_id")]
                rows = {"values": {"parent_id": holder.astpp_id or 0}, "expected": {"parent_id": ids}}
                entries.append(did._owner_entry(held_by, subscription, f"end/{subscription.id}", text, rows))
        self._queue_owners(entries)
        return res

    def _owner_entry(self, account, subscription, cause, text, rows):
        self.ensure_one()
        return (
            account,
            f"did/{self.id}/{cause}",
            text % self.number,
            [{"table": "dids", "match": {"id": self.astpp_id}, **rows}],
            {"did_id": self.id, "subscription_id": subscription.id},
        )

    def _queue_owners(self, entries):
        """Queue those of numbers that ASTPP knows, at once."""
        known = [entry for entry in entries if entry[3][0]["match"]["id"]]
        self.env["astpp.outbox"]._enqueue_rows("did", known)

    @api.model
    def _note_switched(self, server, rows, outcome):
        """Note which numbers are off now because their owners are, and which are no longer.

        :param rows: row changes that were written
        :param outcome: ``connector.writer.Outcome``
        """
        if rows[0]["table"] == "accounts" and not is_meant(RowChange(**rows[0]), outcome.before[0]):
            return
        switched = {True: [], False: []}
        for row, found in zip(rows, outcome.before, strict=True):
            if row["table"] == "dids" and "status" in row["values"]:
                status = row["values"]["status"]
                # After a crash what is found is what was written.
                done = found.get("status") == str(status) if outcome.known else is_meant(RowChange(**row), found)
                if done or not status:
                    switched[bool(status)].append(row["match"]["id"])
        for off, ids in switched.items():
            if ids:
                # After a crash what was off anyway looks the same in ASTPP: not here.
                dids = self.sudo().with_context(active_test=off and outcome.known)
                dids.search([("server_id", "=", server.id), ("astpp_id", "in", ids)]).off_with_account = off

    @api.model
    def _off_by_odoo(self, server, records, accounts):
        """Return the ASTPP ids of the numbers that are off there because of Odoo alone: they are no inactive ones.

        A number that ASTPP gave to somebody else, or took back, meanwhile is switched on again for him.

        :param records: list of ``connector.records.Did``
        :param accounts: {ASTPP id: account's id}
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
                only = {"accountid": record.account_id, "status": 1}
                row = {"table": "dids", "match": {"id": record.id}, "values": {"status": 0}, "only": only}
                key, text = f"account/{did.account_id.id}/{uuid4().hex[:12]}", self.env._("Number %s", did.number)
                entries.append((did.account_id, key, text, [row], {"did_id": did.id}))
            ours.add(record.id)
        self.env["astpp.outbox"]._enqueue_rows("account", entries)
        return ours
