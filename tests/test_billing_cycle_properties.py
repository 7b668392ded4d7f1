"""Every instant belongs to exactly one period, even if the cycle changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.astpp_billing.billing_cycle import SHORTEST_PERIOD, Cycle, clamped, local_date, midnight, next_boundary

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata", "Asia/Beirut",
    "Asia/Tehran", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Chatham",
    "America/St_Johns", "Antarctica/Troll", "Asia/Kathmandu",
]  # fmt: skip
cycles = st.builds(
    Cycle,
    unit=st.sampled_from(["day", "week", "month", "year"]),
    interval=st.integers(1, 12),
    day=st.integers(1, 31),
    weekday=st.integers(0, 6),
    month=st.integers(1, 12),
    tz=st.sampled_from(ZONES),
)
instants = st.datetimes(datetime(2001, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)).map(
    lambda instant: instant.replace(microsecond=0)
)


@settings(max_examples=300, deadline=None)
@given(instants, st.lists(cycles, min_size=1, max_size=12))
def test_periods_follow_each_other(start, sequence):
    """With a different cycle for each period, each still ends where the next begins, and none is too short."""
    for cycle in sequence:
        end = next_boundary(start, cycle)
        assert end - start >= SHORTEST_PERIOD
        assert end == midnight(local_date(end, cycle.tz), cycle.tz), "a boundary is the first instant of a local day"
        start = end


@settings(max_examples=300, deadline=None)
@given(instants, cycles)
def test_periods_of_an_unchanged_cycle_last_one_interval(start, cycle):
    """After the first boundary every period lasts exactly one interval, in local days."""
    boundary = next_boundary(start, cycle)
    for _period in range(14):
        following = next_boundary(boundary, cycle)
        first, last = local_date(boundary, cycle.tz), local_date(following, cycle.tz)
        match cycle.unit:
            case "day":
                # Samoa skipped 30 December 2011, so a period may span one more calendar day there.
                assert timedelta(cycle.interval) <= last - first <= timedelta(cycle.interval + 1)
            case "week":
                assert last - first == timedelta(weeks=cycle.interval)
                assert last.weekday() == cycle.weekday
            case "month":
                months = (last.year - first.year) * 12 + last.month - first.month
                assert months == cycle.interval
                assert last == clamped(last.year, last.month, cycle.day)
            case "year":
                assert last.year - first.year == cycle.interval
                assert last == clamped(last.year, cycle.month, cycle.day)
        boundary = following


@settings(max_examples=200, deadline=None)
@given(instants, cycles, st.integers(0, 400 * 86400))
def test_an_instant_is_in_exactly_one_period(start, cycle, seconds):
    instant = start + timedelta(seconds=seconds)
    covering = 0
    while start <= instant:
        end = next_boundary(start, cycle)
        covering += start <= instant < end
        start = end
    assert covering == 1


@given(st.dates(datetime(2001, 1, 1).date(), datetime(2035, 1, 1).date()), st.sampled_from(ZONES))
@settings(max_examples=300, deadline=None)
def test_midnight_is_the_first_instant_of_the_day(day, tz):
    start = midnight(day, tz)
    before = (start - timedelta(seconds=1)).astimezone(ZoneInfo(tz))
    assert before.date() < day
    # A day skipped by the zone begins at the start of the next one.
    assert local_date(start, tz) >= day
