"""Which values are taken over from ASTPP where both sides may have changed a record: pure functions.

The three ways are what ASTPP said last, what it says now, and what Odoo has.
"""

from collections.abc import Collection, Mapping
from typing import Any

Json = bool | int | float | str | list[Any] | dict[str, Any] | None


def plain(values: Mapping[str, Any]) -> dict[str, Json]:
    """Return values as they are stored in JSON: None as False, dates as texts."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Json:
    if value is None:
        return False
    return value if isinstance(value, (bool, int, float, str, list, dict)) else str(value)


def news(
    before: Mapping[str, Json], now: Mapping[str, Json], here: Mapping[str, Json], owned: Collection[str] = ()
) -> dict[str, Json]:
    """Return the values to take over from ASTPP: owned by it, or changed there and untouched here.

    :param before: what ASTPP said last; a field that is missing here counts as untouched in Odoo
    :param now: what ASTPP says now
    :param here: what Odoo has, of all these fields
    :param owned: fields that follow ASTPP whatever was done here
    """
    return {
        name: value
        for name, value in now.items()
        if here[name] != value
        and (name in owned or (value != before.get(name) and here[name] == before.get(name, here[name])))
    }
