"""Paid periods follow each other without gap or overlap, and keep their day of the month."""

import calendar
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from test_billing_cycle_properties import ZONES

from odoo.addons.astpp_billing.billing_cycle import local_date
from odoo.addons.astpp_billing.renewal_period import day_start, period_end, share_left, share_of_period

zones = st.sampled_from(ZONES)
instants = st.datetimes(datetime(2001, 1, 1), datetime(2035, 1, 1)).map(lambda instant: instant.replace(microsecond=0))


def day_of(instant, tz):
    return local_date(instant.replace(tzinfo=UTC), tz)


@settings(max_examples=400, deadline=None)
@given(instants, zones, st.sampled_from(["day", "month", "year"]), st.integers(1, 24))
def test_periods_keep_their_day(moment, tz, unit, count):
    """Periods of months and years return to the 29th, 30th or 31st, and each begins at the start of a local day."""
    start = day_start(moment, tz)
    anchor = day_of(start, tz).day
    for _period in range(30):
        end = period_end(start, unit, count, anchor, tz)
        assert end > start
        assert end == day_start(end, tz)
        first, last = day_of(start, tz), day_of(end, tz)
        if unit == "day":
            # Samoa skipped a day in 2011.
            assert count <= (last - first).days <= count + 1
        else:
            months = (last.year - first.year) * 12 + last.month - first.month
            assert months == count * (12 if unit == "year" else 1)
            assert last.day == min(anchor, calendar.monthrange(last.year, last.month)[1]) or tz == "Pacific/Apia"
        start = end


@settings(max_examples=400, deadline=None)
@given(instants, zones, st.sampled_from(["day", "month", "year"]), st.integers(1, 12), st.integers(0, 400))
def test_shares_are_between_nothing_and_all(moment, tz, unit, count, days):
    """Shares are between 0 and 1: everything is left at a period's start, nothing at its end."""
    start = day_start(moment, tz)
    anchor = day_of(start, tz).day
    end = period_end(start, unit, count, anchor, tz)
    assert share_left(start, start, end, tz) == 1
    assert share_left(start, end, end, tz) == 0
    inside = min(end, period_end(start, "day", max(days, 1), anchor, tz))
    left = share_left(start, inside, end, tz)
    assert 0 <= left < 1
    assert 0 < share_of_period(start, end, unit, count, anchor, tz) <= 1
