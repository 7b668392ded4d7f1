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

    def _open_assignment(self, account, subscription):
        res = super()._open_assignment(account, subscription)
        # ASTPP keeps the reseller's and the customer's hold on a number apart (ASTPP facts 1.11).
        column = "parent_id" if account.account_type == "reseller" else "accountid"
        owner = account.astpp_id
        rows = {"values": {column: owner}, "expected": {column: [0, owner]}}
        text = self.env._("Given: %s")
        self._queue_owners([did._owner_entry(account, subscription, "give", text, rows) for did in self])
        return res

    def _release(self, subscriptions):
        owners = {did: did.account_id for did in self if did.account_id in subscriptions.account_id}
        ordered = {subscription.did_id: subscription for subscription in subscriptions}
        res = super()._release(subscriptions)
        text, entries = self.env._("Taken back: %s"), []
        for did, account in owners.items():
            reseller = account.account_type == "reseller"
            column = "parent_id" if reseller else "accountid"
            values = {column: 0} if reseller else {column: 0} | FORWARDING
            # Who has it by now keeps it.
            rows = {"values": values, "expected": {column: [0, account.astpp_id]}}
            entries.append(did._owner_entry(account, ordered.get(did, subscriptions.browse()), "take", text, rows))
        self._queue_owners(entries)
        return res

    def _owner_entry(self, account, subscription, cause, text, rows):
        self.ensure_one()
        return (
            account,
            f"did/{self.id}/{cause}/{max(self.assignment_ids.ids, default=0)}",
            text % self.number,
            [{"table": "dids", "match": {"id": self.astpp_id}, **rows}],
            {"did_id": self.id, "subscription_id": subscription.id},
        )

    def _queue_owners(self, entries):
        """Queue those of numbers that ASTPP knows, at once."""
        known = [entry for entry in entries if entry[3][0]["match"]["id"]]
        self.env["astpp.outbox"]._enqueue_rows("did", known)
