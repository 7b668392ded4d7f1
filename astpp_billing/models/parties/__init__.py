from . import astpp_account
from . import astpp_account_invoicing
from . import astpp_account_period
from . import astpp_issuer
from . import astpp_issuer_brand
from . import astpp_server
from . import res_company
from . import res_partner
