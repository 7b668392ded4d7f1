"""The time zones of ASTPP's accounts: named since 5.0, an offset from UTC before."""

from datetime import datetime, timedelta

import pytz

from .call_record import clean
from .database import Database
from .schema import missing_columns

# Zones that agree on a winter's and a summer's day have the same rules as far as bills go.
DAYS = (datetime(2024, 1, 15, 12), datetime(2024, 7, 15, 12))


def read_zones(database: Database) -> dict[int, str | timedelta]:
    """Return {timezone.id: IANA name or, in ASTPP 4, the offset from UTC without summer time}."""
    if not missing_columns(database, "timezone"):
        rows = database.rows("SELECT id, timezone_name FROM timezone")
        return {int(key): name for key, value in rows if (name := clean(value))}
    rows = database.rows("SELECT id, gmtoffset FROM timezone")
    return {int(key): timedelta(seconds=int(offset or 0)) for key, offset in rows}


def zone_in(zone: str | timedelta | None, country: str | None) -> str | None:
    """Return the IANA name of a zone in a country, or None where an offset does not tell which one it is.

    :param zone: a name, or an offset from UTC without summer time
    :param country: ISO code
    """
    if not isinstance(zone, timedelta):
        return zone
    names = [name for name in pytz.country_timezones.get((country or "").upper(), ()) if _standard(name) == zone]
    rules = {tuple(pytz.timezone(name).utcoffset(day) for day in DAYS) for name in names}
    return names[0] if len(rules) == 1 else None


def _standard(name: str) -> timedelta:
    """Return a zone's offset from UTC without summer time, on either side of the equator."""
    zone = pytz.timezone(name)
    return min(zone.utcoffset(day) - (zone.dst(day) or timedelta()) for day in DAYS)
