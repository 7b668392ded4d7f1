from . import account_move_reversal, astpp_billing_preview, base_partner_merge
