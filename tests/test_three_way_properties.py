"""Nobody's change is lost when ASTPP and Odoo have both changed a record."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.addons.astpp_billing.three_way import news, plain

NAMES = st.sampled_from("abcde")
# Few values, so that the sides are often equal.
VALUES = st.sampled_from([False, 0, 1, "x", "y", [1, 2], [2]])
# The first example is slow to make: hypothesis looks for constants in all modules that are loaded.
unhurried = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
said = st.dictionaries(NAMES, VALUES)
sides = st.fixed_dictionaries(dict.fromkeys("abcde", VALUES))
owned = st.frozensets(NAMES)


@unhurried
@given(said, said, sides, owned)
def test_every_field_has_one_winner(before, now, here, owned):
    """ASTPP where it decides, or alone has changed something; Odoo everywhere else."""
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
def test_told_twice_is_taken_once(before, now, here, owned):
    after = here | news(before, now, here, owned)
    assert not news(now, now, after, owned)


@unhurried
@given(said, sides)
def test_what_is_as_before_is_no_news(now, here):
    """Whatever was changed here stays while ASTPP says nothing new."""
    assert not news(now, now, here)


@unhurried
@given(sides, said)
def test_untouched_follows(before, now):
    """A record that nobody has changed here is what ASTPP says."""
    assert before | news(before, now, before) == before | now


@unhurried
@given(sides, sides, sides)
def test_changed_here_stays(before, now, here):
    touched = {name: value for name, value in here.items() if value != before[name]}
    assert not news(before, now, here).keys() & touched.keys()


@unhurried
@given(st.dictionaries(NAMES, st.one_of(st.none(), st.dates(), st.datetimes(), VALUES)))
def test_plain_values_stay_plain(values):
    assert plain(plain(values)) == plain(values)
