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
        self._queue_owner(account, subscription, "give", self.env._("Given: %s"), rows)
        return res

    def _release(self, subscriptions):
        owners = {did: did.account_id for did in self if did.account_id in subscriptions.account_id}
        res = super()._release(subscriptions)
        for did, account in owners.items():
            subscription = subscriptions.filtered(lambda s, did=did: s.did_id == did)[:1]
            reseller = account.account_type == "reseller"
            column = "parent_id" if reseller else "accountid"
            values = {column: 0} if reseller else {column: 0} | FORWARDING
            # Who has it by now keeps it.
            rows = {"values": values, "expected": {column: [0, account.astpp_id]}}
            did._queue_owner(account, subscription, "take", self.env._("Taken back: %s"), rows)
        return res

    def _queue_owner(self, account, subscription, cause, text, rows):
        self.env["astpp.outbox"]._enqueue_rows(
            "did",
            [
                (
                    account,
                    f"did/{did.id}/{cause}/{max(did.assignment_ids.ids)}",
                    text % did.number,
                    [{"table": "dids", "match": {"id": did.astpp_id}, **rows}],
                    {"did_id": did.id, "subscription_id": subscription.id},
                )
                for did in self.filtered("astpp_id")
            ],
        )
