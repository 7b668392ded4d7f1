from . import astpp_account
from . import astpp_issuer
from . import astpp_portal_act
from . import ir_http
from . import ir_qweb
