"""A guard around each wizard: what it names has to be its user's to see."""

from odoo import models

from ..models.guards.guarded_models import guard

MODELS = (
    *("astpp.billing.preview", "astpp.coupon.generate", "astpp.coupon.redeem", "astpp.outbox.preview"),
    *("astpp.outbox.skip", "astpp.price.change", "astpp.price.change.line", "astpp.recognition"),
    *("astpp.subscription.change", "astpp.subscription.close"),
)
for model in MODELS:
    guard(model, models.TransientModel)
