# Mixins that all rooms use.
from . import astpp_alert_mixin
from . import astpp_guard_mixin
from . import astpp_synced_mixin
from . import base
from . import mail_activity

# The rooms. The order matters: a later one may override an earlier one, never the reverse (docs/architecture.md).
from . import parties
from . import ledger
from . import billing
from . import numbering
from . import services
from . import money
from . import documents
from . import payment
from . import portal
from . import sync
from . import writeback
from . import guards
