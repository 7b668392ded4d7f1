"""The steps of a synchronisation, in order."""

from collections.abc import Callable
from typing import NamedTuple

from .sync_run import SyncRun


class Step(NamedTuple):
    """A step of the synchronisation; its progress and result are stored in ``astpp.sync.step``."""

    name: str
    label: str
    sync: Callable[[SyncRun], None]
    """does it, and notes on ``run.step`` what it did"""
    is_read_once: bool = False
    """whether its rows are read once: one that was left out does not come again"""


# Each step relies on what earlier ones have mirrored. To mirror another table of ASTPP's, add an entry.
STEPS = [
    Step("accounts", "Accounts", lambda run: run.env["astpp.account"]._sync(run)),
    Step("issuers", "Issuers", lambda run: run.env["astpp.issuer"]._sync(run)),
    Step("products", "Products and Prices", lambda run: run.env["product.template"]._astpp_sync(run)),
    Step("dids", "DIDs", lambda run: run.env["astpp.did"]._sync(run)),
    Step("orders", "Orders", lambda run: run.env["astpp.subscription"]._sync(run)),
    Step("cdr", "Calls", lambda run: run.server._sync_calls(run, "cdr"), is_read_once=True),
    Step(
        "reseller_cdr", "Resellers' Calls", lambda run: run.server._sync_calls(run, "reseller_cdr"), is_read_once=True
    ),
    Step("charges", "Charges", lambda run: run.env["astpp.usage"]._sync_charges(run), is_read_once=True),
    Step("coupons", "Refill Coupons", lambda run: run.env["astpp.coupon"]._sync(run)),
    Step("payments", "Payments", lambda run: run.env["astpp.payment"]._sync(run), is_read_once=True),
    Step("reconciliation", "Reconciliation", lambda run: run.env["astpp.reconciliation"]._sync(run)),
]
