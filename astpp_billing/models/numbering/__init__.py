from . import account_journal
from . import account_move
from . import astpp_issuer
