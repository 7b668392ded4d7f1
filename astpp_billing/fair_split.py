"""An amount of money split over the rows of a table, so that they add up: plain functions."""

from fractions import Fraction
from math import floor


def shares(total, exact, factor=1):
    """Return what each row is of a total, not rounded: they add up to it.

    Each row is worth its own amount times a factor, and what is missing to the total is spread over the rows by their
    size. Rows of one sign so get their proportion, whatever the factor; charges and credits together keep their sums.
    :param exact: the rows' own amounts, in another currency or with taxes that the total is without
    :param factor: what one of them is in the total, roughly
    """
    amounts = [Fraction(amount) for amount in exact]
    missing = Fraction(total) - sum(amounts) * Fraction(factor)
    size = sum(map(abs, amounts))
    return [
        amount * Fraction(factor) + missing * (abs(amount) / size if size else Fraction(1, len(amounts)))
        for amount in amounts
    ]


def whole_units(parts, unit):
    """Round parts to whole units of a currency by largest remainder: they add up to their rounded sum.

    No part moves by a unit or more, and equal parts differ by one at most.
    :param unit: the smallest amount of the currency, such as 0.01
    """
    counts = [Fraction(part) / Fraction(unit) for part in parts]
    whole = [floor(count) for count in counts]
    left = floor(sum(counts) + Fraction(1, 2)) - sum(whole)
    # Among equal remainders the largest rows come first: a cent matters least there.
    order = sorted(range(len(counts)), key=lambda n: (whole[n] - counts[n], -abs(counts[n]), n))
    for position in order[:left]:
        whole[position] += 1
    return [count * Fraction(unit) for count in whole]
