"""Any change is read back unchanged from the JSON stored in Odoo, and writes only the columns it may write."""

import json
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.addons.astpp_billing.connector import changes
from odoo.addons.astpp_billing.connector.balance import Balance, kept

# Slow examples on a busy machine are not failures.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ids = st.integers(0, 2**31 - 1)
amounts = st.decimals(-(10**9), 10**9, places=5)
days = st.dates(date(1970, 1, 1), date(2999, 12, 31))
BY_NAME = {
    "number": st.text(min_size=1, max_size=20),
    "note": st.text(max_size=255),
    "moment": st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31)).map(lambda at: at.replace(microsecond=0)),
    "holders": st.lists(ids, max_size=4).map(tuple),
    "price": amounts,
    "credit_limit": amounts,
    "first": days,
    "last": days,
    "active": st.booleans(),
    "on": st.booleans(),
}


def built(change):
    """Return a strategy for changes of one class, in which optional fields may be None."""
    values = {field.name: BY_NAME.get(field.name, ids) for field in fields(change)}
    optional = {field.name: st.none() | values[field.name] for field in fields(change) if field.default is None}
    return st.builds(change, **values | optional)


@pytest.mark.parametrize("change", changes.CHANGES, ids=lambda change: change.__name__)
@unhurried
@given(st.data())
def test_stored_and_read_back(change, data):
    made = data.draw(built(change))
    stored = json.loads(json.dumps(made.stored()))
    assert changes.read(stored) == made
    assert changes.read(stored).row() == made.row()
    assert made.row().values.keys() <= set(changes.WRITABLE[made.table])
    assert made.row().values.keys() <= set(changes.writable(made.kind).get(made.table, ()))


@unhurried
@given(st.builds(Balance, amounts, st.booleans(), amounts), amounts)
def test_gains_add_to_funds_and_can_be_undone(balance, gain):
    assert balance.plus(gain).funds == balance.funds + gain
    assert balance.plus(gain).plus(-gain) == balance


@unhurried
@given(st.floats(-(10**9), 10**9))
def test_amounts_have_five_decimals(amount):
    assert kept(amount).as_tuple().exponent == -5
    assert kept(kept(amount)) == kept(amount)
    assert abs(kept(amount) - Decimal(amount)) <= Decimal("0.000005")
