"""Amounts formatted in a language are parsed as the same amounts, and anything else is refused."""

import re
from decimal import Decimal
from types import SimpleNamespace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.addons.astpp_billing.controllers.form_text import number_of

# Slow examples on a busy machine are not failures.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
LANGUAGES = st.sampled_from(
    [
        SimpleNamespace(decimal_point=point, thousands_sep=separator, grouping=grouping)
        for point, separator, grouping in (
            (".", ",", "[3,0]"),
            (",", ".", "[3,0]"),
            (",", "\u202f", "[3,0]"),
            (".", "’", "[3,0]"),
            (".", ",", "[3,2,0]"),
            (",", False, "[]"),
        )
    ]
)


def written(number, lang):
    """Format a number as a language does, independently of Odoo's own formatting."""
    whole, _point, decimals = f"{abs(number):f}".partition(".")
    sizes = [int(size) for size in lang.grouping.strip("[]").split(",") if size not in ("", "0")] or [99]
    text, size, left = "", sizes.pop(0), 0
    for digit in reversed(whole):
        if left == size:
            text, left = (lang.thousands_sep or "") + text, 0
            size = sizes.pop(0) if sizes else size
        text, left = digit + text, left + 1
    return ("-" if number < 0 else "") + text + (lang.decimal_point + decimals if decimals else "")


@unhurried
@given(st.decimals(-(10**9), 10**9, places=2), LANGUAGES)
def test_formatted_numbers_are_parsed(number, lang):
    assert number_of(written(number, lang), lang) == number


@unhurried
@given(st.text("0123456789.,' -", max_size=14), LANGUAGES)
def test_parsed_numbers_have_the_digits_typed(text, lang):
    """A parsed number has exactly the digits that were typed, with separators only between whole groups."""
    number = number_of(text, lang)
    if number is None:
        return
    whole, _point, decimals = text.strip().partition(lang.decimal_point)
    digits = "".join(each for each in whole if each.isdigit())
    assert abs(number) == Decimal(f"{digits or 0}.{decimals or 0}")
    assert (number < 0) == (text.strip().startswith("-") and number != 0)
    groups = re.split("[^0-9]", whole.lstrip("-"))
    assert len(groups) == 1 or (len(groups[-1]) == 3 and "" not in groups)


@unhurried
@given(st.text(max_size=60), LANGUAGES)
def test_any_text_is_parsed_or_refused(text, lang):
    assert number_of(text, lang) is None or text.strip()
