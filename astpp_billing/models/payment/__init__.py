from . import astpp_issuer
from . import payment_provider
from . import payment_transaction
from . import payment_transaction_refund
