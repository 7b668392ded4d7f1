"""The ledger: every billable event once. It is reached through the verbs of ``astpp.usage``:

- ``_add`` entries, ``_load_calls`` and ``_copy_owned`` calls: an event is in the ledger once, whoever brings it again;
- ``_sum_unbilled`` and ``_bill``: what is unbilled, in groups; each group to the line that bills it, proven by its count;
- ``_free`` sets it free, ``_rebill`` has another document bill it, ``_hold`` keeps it from being billed;
- ``_adopt``, ``_follow``, ``_disown``: whose it is, as accounts come and change;
- ``_unbilled_around``, ``_accounts_with_unbilled``, ``_billed_sums``, ``_daily_sums`` …: what it comes to;
- ``usage_state``: the states that lines are in, as SQL and as domains.

They all work in the caller's transaction and commit nothing. Nobody else writes the ledger in SQL, nor says what makes
a line billed, held or prepaid: ``tests/test_ledger_door.py`` looks for it.
"""

from . import astpp_account
from . import astpp_account_forecast
from . import astpp_issuer
from . import astpp_usage
from . import astpp_usage_billing
from . import astpp_usage_doubles
from . import astpp_usage_entries
from . import astpp_usage_history
from . import astpp_usage_import
from . import astpp_usage_import_undo
from . import astpp_usage_ingest
from . import astpp_usage_load
from . import astpp_usage_owner
from . import astpp_usage_sums
from . import astpp_usage_total
from . import astpp_usage_totalling
from . import astpp_violation
