"""An amount of money split over the rows of a table, so that they add up: plain functions."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from math import floor

Number = float | Decimal | Fraction


def shares(total: Number, exact: Iterable[Number], factor: Number = 1) -> list[Fraction]:
    """Return each row's share of a total, not rounded; the shares add up to the total.

    A row's share is its own amount times the factor. The difference to the total is spread over the rows by their size,
    so that rows of one sign get their proportion whatever the factor is, and a mix of charges and credits stays near
    its own amounts.

    :param exact: the rows' own amounts, which may be in another currency, or include taxes that the total does not
    :param factor: about how much of the total one unit of these amounts is
    """
    amounts = [Fraction(amount) for amount in exact]
    missing = Fraction(total) - sum(amounts) * Fraction(factor)
    size = sum(map(abs, amounts))
    return [
        amount * Fraction(factor) + missing * (abs(amount) / size if size else Fraction(1, len(amounts)))
        for amount in amounts
    ]


def whole_units(parts: Iterable[Number], unit: Number) -> list[Fraction]:
    """Round parts to whole units of a currency by largest remainder, so that they add up to their rounded sum.

    No part changes by a unit or more, and equal parts differ by one unit at most.

    :param unit: the smallest amount of the currency, such as 0.01
    """
    counts = [Fraction(part) / Fraction(unit) for part in parts]
    whole = [floor(count) for count in counts]
    left = floor(sum(counts) + Fraction(1, 2)) - sum(whole)
    # Among equal remainders the largest rows come first, where a cent matters least.
    order = sorted(range(len(counts)), key=lambda n: (whole[n] - counts[n], -abs(counts[n]), n))
    for position in order[:left]:
        whole[position] += 1
    return [count * Fraction(unit) for count in whole]
