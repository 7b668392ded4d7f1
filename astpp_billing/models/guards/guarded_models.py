"""A guard around each of our models, outside all other overrides, that limits what users may write.

``FROZEN`` lists the fields that say what a record belongs to, and when they can no longer change.
"""

from odoo import models

from ..astpp_guard_mixin import AstppGuardMixin  # noqa: F401  (registered before its guards)


def _has(record, model, field):
    """Tell whether records of a model point to this one."""
    # sudo: a record counts as used even if the user may not see what uses it.
    return bool(
        record.env[model].sudo().with_context(active_test=False).search_count([(field, "=", record.id)], limit=1)
    )


def _used_account(account):
    return any(
        _has(account, model, "account_id") for model in ("astpp.usage", "astpp.subscription", "astpp.topup")
    ) or (_has(account, "account.move", "astpp_account_id"))


def _used_issuer(issuer):
    return _has(issuer, "account.move", "astpp_issuer_id")


FROZEN = {
    "astpp.server": ({"company_id"}, lambda server: _has(server, "astpp.account", "server_id")),
    "astpp.account": ({"server_id"}, _used_account),
    "astpp.account.term": ({"account_id"}, lambda term: True),
    "astpp.issuer": ({"company_id", "account_id", "server_id"}, _used_issuer),
    "astpp.did": ({"server_id"}, lambda did: _has(did, "astpp.did.assignment", "did_id")),
    "astpp.subscription": ({"account_id"}, lambda subscription: subscription.state != "draft"),
    "astpp.topup": ({"account_id", "product_id"}, lambda topup: topup.state != "draft"),
    "astpp.usage.import": ({"server_id"}, lambda usage_import: usage_import.state != "new"),
    "astpp.billing.run": ({"company_id"}, lambda run: run.state != "new"),
    "astpp.settlement": (
        {"issuer_id", "account_id"},
        lambda settlement: settlement.state != "draft" or settlement.move_ids,
    ),
    "astpp.coupon": ({"server_id", "issuer_id"}, lambda coupon: coupon.state == "used"),
    "astpp.tax": ({"server_id"}, lambda tax: True),
    "astpp.payment": ({"server_id"}, lambda payment: True),
    "astpp.opening": ({"server_id", "account_id"}, lambda opening: True),
}
# What a reseller's own company may write on the accounts it invoices: how they are billed, not owner or credit limit.
BILLED_FOR = {
    "astpp.account": {
        *("invoice_enabled", "invoice_mode", "call_list", "cycle_unit", "cycle_interval", "billing_day"),
        *("billing_weekday", "billing_month", "message_follower_ids", "message_ids", "activity_ids"),
    },
}
MODELS = (
    *FROZEN,
    *("astpp.usage", "astpp.usage.total", "astpp.usage.day"),
    *("astpp.billing.result", "astpp.dispute", "astpp.sync.step", "astpp.sync.slice"),
    *(
        "astpp.reconciliation",
        "astpp.violation",
        "astpp.destination",
        "astpp.subscription.line",
        "astpp.close.reason",
        "astpp.allowance",
    ),
    *("astpp.did.assignment", "astpp.notice", "astpp.outbox", "astpp.outbox.difference", "astpp.portal.act"),
)


def guard(name, base=models.Model):
    """Wrap a guard around a model."""
    frozen, used = FROZEN.get(name, (frozenset(), None))
    type(base)(
        "Guard",
        (base,),
        {
            "__module__": __name__,
            "__doc__": "See ``guards``.",
            "_name": name,
            "_inherit": ["astpp.guard.mixin", name],
            "_guard_frozen": frozenset(frozen),
            "_guard_used": used and staticmethod(used),
            "_guard_billed_for": frozenset(BILLED_FOR.get(name, ())),
        },
    )


for model in MODELS:
    guard(model)
