from odoo import models

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
