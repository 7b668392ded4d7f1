"""When a record changes in both ASTPP and Odoo, no change is lost."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.addons.astpp_billing.three_way import news, plain

NAMES = st.sampled_from("abcde")
# Few values, so that the sides are equal often enough.
VALUES = st.sampled_from([False, 0, 1, "x", "y", [1, 2], [2]])
# The first example is slow, because hypothesis looks for constants in all loaded modules.
unhurried = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
said = st.dictionaries(NAMES, VALUES)
sides = st.fixed_dictionaries(dict.fromkeys("abcde", VALUES))
owned = st.frozensets(NAMES)


@unhurried
@given(said, said, sides, owned)
def test_every_field_has_one_winner(before, now, here, owned):
    """ASTPP's value wins if it owns the field or is the only one to have changed it; else Odoo's value stays."""
    after = here | news(before, now, here, owned)
    for name, value in after.items():
        if name not in now:
            assert value == here[name]
        elif name in owned or (now[name] != before.get(name) and here[name] == before.get(name, here[name])):
            assert value == now[name]
        else:
            assert value == here[name]


@unhurried
@given(said, said, sides, owned)
def test_merging_again_changes_nothing(before, now, here, owned):
    after = here | news(before, now, here, owned)
    assert not news(now, now, after, owned)


@unhurried
@given(said, sides)
def test_unchanged_values_of_astpp_are_no_news(now, here):
    """Odoo's changes are kept while ASTPP's values do not change."""
    assert not news(now, now, here)


@unhurried
@given(sides, said)
def test_record_not_changed_in_odoo_follows_astpp(before, now):
    """A record not changed in Odoo follows ASTPP."""
    assert before | news(before, now, before) == before | now


@unhurried
@given(sides, sides, sides)
def test_changes_in_odoo_are_kept(before, now, here):
    touched = {name: value for name, value in here.items() if value != before[name]}
    assert not news(before, now, here).keys() & touched.keys()


@unhurried
@given(st.dictionaries(NAMES, st.one_of(st.none(), st.dates(), st.datetimes(), VALUES)))
def test_plain_values_stay_plain(values):
    assert plain(plain(values)) == plain(values)
