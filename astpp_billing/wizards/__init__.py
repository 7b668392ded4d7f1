from . import (
    account_move_reversal,
    astpp_billing_preview,
    astpp_coupon_generate,
    astpp_coupon_redeem,
    astpp_outbox_preview,
    astpp_outbox_skip,
    astpp_price_change,
    astpp_recognition,
    astpp_subscription_change,
    astpp_subscription_close,
    base_partner_merge,
    guards,
)
