"""Parse what people type into the portal's forms."""

import re
from ast import literal_eval
from decimal import Decimal

from odoo.exceptions import UserError
from odoo.tools.misc import formatLang, get_lang

# Characters that users type interchangeably: thin and no-break spaces, apostrophes, minus signs.
ALIKE = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"})
MOST_DIGITS = 12
MOST_TYPED = 40
# More digits than any id has, but still in PostgreSQL's range.
MOST_KEY_DIGITS = 18
# More pages than anyone can reach, but still an offset in PostgreSQL's range.
MOST_PAGES = 10_000_000


def one_line(text, length=200):
    """Return a form's text without line breaks and control characters.

    They do not belong in names, numbers and mail headers, and PostgreSQL rejects some of them.
    """
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:length].strip()


def key_of(text):
    """Return the id in a request, None if it is no id, or an id that no record has if it is too long."""
    text = str(text or "")
    if not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if len(text) <= MOST_KEY_DIGITS else 10**MOST_KEY_DIGITS


def page_of(text):
    """Return the page number in a request, 1 if it is none."""
    return min(key_of(text) or 1, MOST_PAGES)


def number_of(text, lang):
    """Return the amount exactly as it was typed, as Decimal, or None if it is no amount.

    The language decides how it is read: 1,000 is a thousand in English and one in German. Anything that the language
    does not write that way (1.2.3, 1_0, 1e5, digits of other scripts, separators in odd places) is no amount.

    :param lang: object with the language's ``decimal_point``, ``thousands_sep`` and ``grouping``
    """
    point = lang.decimal_point.translate(ALIKE)
    separator = (lang.thousands_sep or "").translate(ALIKE)
    thousands = rf"(?:{re.escape(separator)}[0-9]+)*" if separator not in ("", point) else ""
    typed = str(text).strip().translate(ALIKE)
    match = re.fullmatch(rf"(-?)([0-9]*{thousands})(?:{re.escape(point)}([0-9]+))?", typed)
    if not match or len(typed) > MOST_TYPED:
        return None
    sign, typed, decimals = match[1], match[2], match[3] or ""
    whole = "".join(digit for digit in typed if digit.isdigit())
    # A leading zero before the separator means that it was typed as a decimal point.
    if typed != whole and (whole.startswith("0") or typed not in _grouped(whole, separator, lang.grouping)):
        return None
    if not whole + decimals or len(whole) > MOST_DIGITS or len(decimals) > MOST_DIGITS:
        return None
    return Decimal(f"{sign}{whole or 0}.{decimals or 0}")


def _grouped(whole, separator, grouping):
    """Return the ways to group the digits: in threes, or as the language does it (10,00,000 in Hindi)."""
    return {
        _part(whole, separator, [3]),
        _part(whole, separator, [size for size in literal_eval(grouping) if size > 0]),
    }


def _part(whole, separator, sizes):
    """Group digits from the right; the last size repeats."""
    parts, sizes = [], list(sizes)
    while whole and sizes:
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        parts.insert(0, whole[-size:])
        whole = whole[:-size]
    return separator.join(parts)


def no_amount(env, text, digits=2):
    """Return a message that a text is no amount, with an example in the user's language."""
    return env._(
        "“%(text)s” is no amount. Write it such as %(example)s.",
        text=one_line(str(text), 40),
        example=formatLang(env, 1234.5, digits=digits),
    )


def amount_text(env, amount, currency):
    """Return an amount formatted in the user's language, for a form's field."""
    return formatLang(env, amount, digits=currency.decimal_places)


def amount_of(env, text, currency):
    """Return an amount of money that a user typed, rounded to the currency.

    :raise UserError: when it is no amount; the message gives an example
    """
    number = number_of(text, get_lang(env))
    if number is None:
        raise UserError(no_amount(env, text, currency.decimal_places))
    return currency.round(float(number))
