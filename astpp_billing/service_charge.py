"""What is owed for a period of an order: a pure function of the terms in force and the period. No ORM.

The rules, which docs/accountant.md explains:

* The terms of a period's first day are charged for the whole period when it begins. A first period that is shorter,
  because it runs to a billing day, is charged by the day. So is the last one of a prorated product whose end was known
  when it began.
* Other terms inside a period, if prorated, are charged by the day from the day they begin; else they wait for the next.
* Whoever has a product that refunds the unused gets back each day, from then on, on which he does not have it: other
  terms hold, the order is paused, or it has ended.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple

from .renewal_period import MICRO
from .service_terms import ACTIVE, Period, Terms, at, cut, end_of, whole_days


class Piece(NamedTuple):
    """The charge for one product of a period, and why."""

    terms: Terms
    first: date
    """the first day that was charged"""
    until: date | None
    """the day after the last one that was charged; None: without end"""
    whole: int
    """the days of a whole period, which ``price`` is for"""
    days: int
    """how many days were charged, 0 for terms that wait for the next period"""
    back: int
    """how many of them were given back"""
    back_from: date | None
    """the first day that was given back"""
    amount: Decimal
    """what is owed for the rest, in the server's base currency"""


class _Span(NamedTuple):
    """Days on which the same terms and status hold, inside a period."""

    terms: Terms
    first: date
    until: date | None


def owed(in_force: Sequence[Terms], period: Period, end: Terms | None = None) -> list[Piece]:
    """Return what is owed for a period, in the order in which its terms begin.

    :param in_force: the terms that hold already, in order of their days, one for each day; from them follows that
        something was not used, or is used by other terms
    :param end: the planned end, if one is known; an end in force is among the terms too
    """
    end = end or end_of(in_force)
    limit = cut(in_force, period) or period.end
    sales: list[tuple[Terms, date, list[_Span]]] = []
    for span in _spans(in_force, period, limit):
        if sales and span.terms.sold == sales[-1][0].sold:
            sales[-1][2].append(span)
        elif span.terms.status == ACTIVE:
            sales.append((span.terms, span.first, [span]))
    return [_piece(terms, first, spans, period, end) for terms, first, spans in sales]


def _spans(in_force: Sequence[Terms], period: Period, limit: date | None) -> Iterator[_Span]:
    """Yield the spans of a period up to ``limit``."""
    starts = [period.start] + [
        terms.day for terms in in_force if period.start < terms.day and (limit is None or terms.day < limit)
    ]
    for first, following in zip(starts, [*starts[1:], limit], strict=True):
        yield _Span(at(in_force, first), first, following)


def _piece(terms: Terms, first: date, spans: list[_Span], period: Period, end: Terms | None) -> Piece:
    """Return the charge of terms that hold on ``spans``, from ``first`` on."""
    whole, is_base = whole_days(terms, period), first == period.start
    if period.end is None:
        # Without end there are no days to charge: what the first day says is paid once.
        days = 1 if is_base else 0
        return Piece(terms, first, None, 1, days, 0, None, _amount(terms, days, 1))
    upto = period.end
    if terms.prorate and end and end.known and end.known < first < end.day < upto:
        upto = end.day
    if not is_base and not terms.prorate:
        return Piece(terms, first, first, whole, 0, 0, None, Decimal(0))
    days = (upto - first).days
    back, back_from = _unused(spans, first, upto) if terms.refund else (0, None)
    return Piece(terms, first, upto, whole, days, back, back_from, _amount(terms, days - back, whole))


def _unused(spans: list[_Span], first: date, upto: date) -> tuple[int, date | None]:
    """Return how many days of [first, upto) are in none of the active spans, and the first of them."""
    unused, back_from, reached = 0, None, first
    for start, stop in [*((s.first, s.until or upto) for s in spans if s.terms.status == ACTIVE), (upto, upto)]:
        missed = (min(start, upto) - reached).days
        if missed > 0:
            unused += missed
            back_from = back_from or reached
        reached = max(reached, min(stop, upto))
    return unused, back_from


def _amount(terms: Terms, days: int, whole: int) -> Decimal:
    """Return the price of so many days of a whole period, with the six decimals that the ledger keeps."""
    exact = Fraction(terms.price) * terms.quantity * days / whole
    return (Decimal(exact.numerator) / exact.denominator).quantize(MICRO, ROUND_HALF_UP)


def by_product(pieces: Sequence[Piece]) -> dict[int, Decimal]:
    """Return {product: what is owed for it}."""
    sums: dict[int, Decimal] = {}
    for piece in pieces:
        sums[piece.terms.product] = sums.get(piece.terms.product, Decimal(0)) + piece.amount
    return sums
