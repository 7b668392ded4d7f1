"""Whatever happens to an order, its periods follow each other, and their charges are those of a count day by day.

The count below shares nothing with the addon: it walks through the days, and marks for each what was charged for it and
whether it was used.
"""

import calendar
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from odoo.addons.astpp_billing.renewal_period import day_of, first_instant, shifted
from odoo.addons.astpp_billing.service_charge import by_product, owed
from odoo.addons.astpp_billing.service_terms import Period, Terms, first_period, following, periods, until

unhurried = settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DAY = timedelta(days=1)
LENGTHS = [("day", 1), ("day", 10), ("day", 30), ("month", 1), ("month", 1), ("month", 3), ("year", 1), ("month", 0)]
products = st.builds(
    dict,
    product=st.integers(1, 4),
    quantity=st.integers(1, 3),
    price=st.sampled_from([0, 1, 3.1, 20, 31, 62, 366]).map(lambda price: Decimal(str(price))),
    length=st.sampled_from(LENGTHS),
    prorate=st.booleans(),
    refund=st.booleans(),
    restarts=st.sampled_from([False, False, True]),
    joins=st.sampled_from([0, 0, 1, 15, 31]),
)
starts = st.dates(date(2023, 1, 1), date(2028, 1, 1))


@st.composite
def timelines(draw):
    """Draw the terms of an order: changes, pauses and resumptions on different days, and perhaps an end."""
    start = draw(starts)
    offsets = sorted(draw(st.sets(st.integers(1, 500), max_size=6)))
    rows, status, sold = [], "active", None
    for offset in [0, *offsets]:
        event = draw(st.sampled_from(["change", "change", "pause", "resume"])) if offset else "start"
        if event in ("start", "change"):
            sold = draw(products)
        else:
            status = {"pause": "paused", "resume": "active"}[event]
        unit, count = sold["length"]
        rows.append(
            Terms(
                start + offset * DAY, sold["product"], sold["quantity"], sold["price"], unit, count, sold["prorate"],
                sold["refund"], status, restarts=event == "change" and sold["restarts"],
                joins=sold["joins"] if sold["prorate"] and unit == "month" else 0,
            )
        )  # fmt: skip
    if len(rows) > 1 and draw(st.booleans()):
        known = rows[-1].day - draw(st.integers(0, 90)) * DAY
        rows[-1] = rows[-2]._replace(day=rows[-1].day, status="ended", restarts=False, known=known)
    return rows


def owed_until(rows, today):
    """Return {product: amount} of all periods that have begun until ``today``, as the addon has it."""
    in_force = [terms for terms in rows if terms.day <= today]
    end = next((terms for terms in rows if terms.status == "ended"), None)
    sums = {}
    for period in periods(rows, today):
        for product, amount in by_product(owed(in_force, period, end)).items():
            sums[product] = sums.get(product, 0) + amount
    return {product: amount for product, amount in sums.items() if amount}


def steps(day, unit, count, anchor):
    """Return the end of a period by walking: the day that many anchor days, or days, later."""
    seen = 0
    while seen < count * {"day": 1, "month": 1, "year": 12}[unit]:
        day += DAY
        seen += 1 if unit == "day" else is_anchor(day, anchor)
    return day


def walked_back(day, unit, count, anchor):
    seen = 0
    while seen < count * {"day": 1, "month": 1, "year": 12}[unit]:
        day -= DAY
        seen += 1 if unit == "day" else is_anchor(day, anchor)
    return day


def is_anchor(day, anchor):
    return day.day == min(anchor, calendar.monthrange(day.year, day.month)[1])


def counted(rows, today):
    """Return {product: amount} by walking through the days up to ``today``."""
    by_day = {terms.day: terms for terms in rows}
    end = next((terms for terms in rows if terms.status == "ended"), None)
    # Each charge: [what is sold, amount of a day, days that are charged, days that were used]
    charges, now, running, ends, anchor, length, open_charge = [], None, False, None, 0, None, None
    day, last_sold = rows[0].day, None

    def whole(unit, count):
        return (ends - walked_back(ends, unit, count, anchor)).days

    while day <= today:
        row = by_day.get(day)
        now = row or now
        active = now.status == "active"
        over = running and ends == day
        mine = bool(running and not over and row and active) and (
            row.restarts or (now.length != length and (now.prorate or ends is None))
        )
        if over or mine:
            running = False
        if active and not running:
            fresh = not over or length is None or now.length != length or bool(row and row.restarts)
            if fresh:
                anchor = now.joins if now.joins and now.unit == "month" else day.day
            running, length = True, now.length
            if not now.units:
                ends = None
                open_charge = [now.sold, Fraction(now.price) * now.quantity, None, set(), now]
            else:
                short = now.unit != "day" and not is_anchor(day, anchor)
                ends = steps(day, "month", 1, anchor) if short else steps(day, now.unit, now.units, anchor)
                open_charge = new_charge(now, day, ends, whole(now.unit, now.units), end)
            charges.append(open_charge)
            last_sold = now.sold
        elif active and running and now.sold != last_sold:
            open_charge = None
            if now.prorate and ends is not None:
                open_charge = new_charge(now, day, ends, whole(now.unit, now.units), end)
                charges.append(open_charge)
            last_sold = now.sold
        if active and open_charge and open_charge[0] == now.sold:
            open_charge[3].add(day)
        day += DAY
    return summed(charges, today)


def new_charge(terms, day, ends, whole, end):
    if terms.prorate and end and end.known < day < end.day < ends:
        ends = end.day
    days = {day + n * DAY for n in range((ends - day).days)}
    return [terms.sold, Fraction(terms.price) * terms.quantity / whole, days, set(), terms]


def summed(charges, today):
    sums = {}
    for _sold, rate, days, used, terms in charges:
        kept = 1
        if days is not None:
            unused = {day for day in days - used if day <= today} if terms.refund else set()
            # What is not used from some day on until the end of the charge is given back at once.
            if terms.refund and max(used) < today:
                unused |= {day for day in days if day > max(used)}
            kept = len(days) - len(unused)
        sums[terms.product] = sums.get(terms.product, 0) + rate * kept
    return {product: amount for product, amount in sums.items() if amount}


@unhurried
@given(timelines(), st.integers(0, 600))
def test_charges_are_those_of_a_count_by_day(rows, days):
    today = rows[0].day + days * DAY
    mine, theirs = owed_until(rows, today), counted(rows, today)
    assert mine.keys() == theirs.keys()
    for product, amount in mine.items():
        assert abs(Fraction(amount) - theirs[product]) < Fraction(1, 1000), (product, amount, float(theirs[product]))


@unhurried
@given(timelines())
def test_periods_leave_no_gap_and_do_not_overlap(rows):
    found = list(periods(rows, rows[0].day + 600 * DAY))
    for period, after in pairwise(found):
        over = until(rows, period)
        assert period.start < over <= after.start
        if over < after.start:
            paused = [t for t in rows if t.day <= over][-1]
            assert paused.status == "paused"
            assert next(t for t in rows if t.day == after.start).status == "active"


@settings(max_examples=400, deadline=None)
@given(starts, st.sampled_from(["day", "month", "year"]), st.integers(1, 24))
@example(date(2024, 1, 31), "month", 1)
def test_periods_keep_their_day(start, unit, count):
    """Periods of months and years return to the 29th, 30th or 31st."""
    terms = Terms(start, 1, 1, Decimal(1), unit, count)
    period = first_period(terms, start)
    for _period in range(30):
        assert period.end > period.start
        if unit == "day":
            assert (period.end - period.start).days == count
        else:
            months = (period.end.year - period.start.year) * 12 + period.end.month - period.start.month
            assert months == count * (12 if unit == "year" else 1)
            assert is_anchor(period.end, start.day)
        period = following([terms], period)


@settings(max_examples=300, deadline=None)
@given(timelines(), st.integers(0, 600), st.integers(1, 30))
def test_nothing_is_owed_twice_when_time_passes(rows, days, later):
    """A day that passes without an event changes nothing that was owed before."""
    today = rows[0].day + days * DAY
    after = [today + n * DAY for n in range(1, later + 1)]
    if any(terms.day in after for terms in rows):
        return
    known = [terms for terms in rows if terms.day <= today]
    end = next((terms for terms in rows if terms.status == "ended"), None)
    for period in periods(rows, today):
        assert owed(known, period, end) == owed([t for t in rows if t.day <= after[-1]], period, end)


@given(st.dates(date(2011, 12, 1), date(2012, 1, 31)), st.sampled_from(["Pacific/Apia", "Europe/Berlin", "UTC"]))
def test_local_days_begin_once(day, tz):
    """Samoa skipped a day in 2011; it begins with the one after it."""
    assert day_of(first_instant(day, tz), tz) == (
        date(2011, 12, 31) if (tz, day) == ("Pacific/Apia", date(2011, 12, 30)) else day
    )


def test_a_period_keeps_its_anchor():
    assert shifted(date(2024, 1, 31), "month", 1, 31) == date(2024, 2, 29)
    terms = Terms(date(2024, 1, 31), 1, 1, Decimal(1))
    assert following([terms], Period(date(2024, 2, 29), date(2024, 3, 31), 31)).end == date(2024, 4, 30)
