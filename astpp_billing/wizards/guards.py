"""A guard around each wizard: users may only choose records that they may read."""

from odoo import models

from ..models.guards.guarded_models import guard

MODELS = (
    *("astpp.billing.preview", "astpp.coupon.generate", "astpp.coupon.redeem", "astpp.opening.enter"),
    "astpp.outbox.preview",
    *("astpp.outbox.skip", "astpp.price.change", "astpp.price.change.line", "astpp.recognition"),
    *("astpp.subscription.change", "astpp.subscription.close", "astpp.subscription.explain", "astpp.usage.credit"),
)
for model in MODELS:
    guard(model, models.TransientModel)
