"""Splitting a total over rows: they add up to it, each is within a unit of its share, and equal rows stay equal."""

from decimal import Decimal, localcontext
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.addons.astpp_billing.fair_split import shares, whole_units

# Slow examples on a busy machine are not failures.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
units = st.sampled_from([Decimal("0.01"), Decimal(1), Decimal("0.001"), Decimal("0.05")])
prices = st.decimals(0, 10**6, places=6)
mixed = st.decimals(-(10**6), 10**6, places=6)


def split(total, exact, unit, factor=1):
    return whole_units(shares(total, exact, factor), unit)


@unhurried
@given(st.lists(prices, min_size=1, max_size=50), st.integers(-(10**7), 10**7), units, st.decimals(-3, 3, places=3))
def test_rows_of_one_sign_get_their_share(exact, count, unit, factor):
    """Compared with total × row ÷ sum, computed independently with fifty digits, whatever the factor is."""
    total = count * unit
    amounts = split(total, exact, unit, factor)
    assert sum(amounts) == Fraction(total)
    with localcontext(prec=50):
        whole = sum(exact)
        for amount, row in zip(amounts, exact, strict=True):
            ideal = total * row / whole if whole else total / len(exact)
            assert abs(Decimal(amount.numerator) / Decimal(amount.denominator) - ideal) < unit
            assert amount * count >= 0 or abs(amount) < unit
    assert whole == 0 or all(amount == 0 for amount, row in zip(amounts, exact, strict=True) if not row)


@unhurried
@given(st.lists(mixed, min_size=1, max_size=50), units, st.sampled_from([1, -1]))
def test_charges_and_credits_keep_their_amounts(exact, unit, sign):
    """The total is the rounded sum, as on invoices without included taxes, or its negative on credit notes."""
    total = round(sum(exact) / unit) * unit * sign
    amounts = split(total, exact, unit, sign)
    assert sum(amounts) == Fraction(total)
    for amount, row in zip(amounts, exact, strict=True):
        assert abs(amount - sign * Fraction(row)) < 2 * Fraction(unit)


@unhurried
@given(mixed, st.integers(1, 60), st.integers(-(10**6), 10**6), units)
def test_equal_rows_differ_by_one_unit_at_most(row, number, count, unit):
    amounts = split(count * unit, [row] * number, unit, Decimal("0.8264"))
    assert sum(amounts) == Fraction(count * unit)
    assert max(amounts) - min(amounts) <= Fraction(unit)


@unhurried
@given(st.lists(prices, max_size=20), units)
def test_nothing_to_split(exact, unit):
    assert split(0, exact, unit) == [0] * len(exact)
