"""The ledger holds every billable event exactly once. Other rooms use it through these methods of ``astpp.usage``:

- ``_add`` (charges and credits), ``_load_calls`` and ``_copy_owned`` (calls) add events, each at most once;
- ``_sum_unbilled`` sums unbilled usage in groups, ``_bill`` links each group to its invoice line and checks the count;
- ``_free`` makes usage unbilled again, ``_rebill`` moves it to another document, ``_hold`` keeps it from being billed;
- ``_set_apart``, ``_credit`` and ``_confirm_credit`` credit single lines of an invoice;
- ``_adopt``, ``_reterm`` and ``_disown`` give it the account that it is of, and the terms of its date;
- ``_unbilled_around``, ``_accounts_with_unbilled``, ``_last_unbilled``, ``_billed_sums``, ``_charged``, … report on it;
- ``usage_state`` defines the states of a line, as SQL and as domains.

All of them work in the caller's transaction and never commit. No other room writes the ledger in SQL or defines what
makes a line billed, held or prepaid; ``tests/test_ledger_door.py`` enforces this.
"""

from . import astpp_account
from . import astpp_account_forecast
from . import astpp_account_term
from . import astpp_account_terms
from . import astpp_issuer
from . import astpp_server
from . import astpp_usage
from . import astpp_usage_apart
from . import astpp_usage_billing
from . import astpp_usage_charged
from . import astpp_usage_copied
from . import astpp_usage_credit
from . import astpp_usage_day
from . import astpp_usage_days
from . import astpp_usage_doubles
from . import astpp_usage_entries
from . import astpp_usage_history
from . import astpp_usage_import
from . import astpp_usage_import_job
from . import astpp_usage_import_undo
from . import astpp_usage_ingest
from . import astpp_usage_load
from . import astpp_usage_owner
from . import astpp_usage_sums
from . import astpp_usage_total
from . import astpp_usage_totalling
from . import astpp_violation
