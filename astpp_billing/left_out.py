"""Rows of ASTPP that cannot be taken over are left out and listed, so that the others go on."""

import logging
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

import psycopg2

from odoo.api import Environment
from odoo.exceptions import UserError

from .connector.database import ConnectorError

_logger = logging.getLogger(__name__)

Row = TypeVar("Row", bound=Hashable)
Result = TypeVar("Result")

# How many rows are listed with their reason; further ones are only counted.
LISTED = 50
# Faults of a connection or of another process: leaving rows out would not help.
NO_ROWS_FAULT = (psycopg2.OperationalError, psycopg2.InterfaceError, ConnectorError)


class Recordset(Protocol):
    """What is used of a recordset."""

    env: Environment

    def _sql_error_to_message(self, exc: psycopg2.Error) -> str: ...


class LeftOut:
    """The rows that were left out, the first ones with their reason."""

    def __init__(self) -> None:
        self.count = 0
        self.reasons: list[str] = []
        self.keys: set[Hashable] = set()
        """of the rows, so that those that depend on them can wait"""

    def add(self, reason: str, key: Hashable = None) -> None:
        """Count a row; ``reason`` says which one it is and why it was left out."""
        self.count += 1
        self.keys.add(key)
        if len(self.reasons) < LISTED:
            self.reasons.append(reason)

    def include(self, other: "LeftOut") -> None:
        """Count the rows of another ``LeftOut`` as well."""
        self.count += other.count
        self.reasons = (self.reasons + other.reasons)[:LISTED]


def put_away(
    model: Recordset,
    rows: list[Row],
    put: Callable[[list[Row]], Result],
    left_out: LeftOut,
    name_of: Callable[[Row], str],
) -> list[Result]:
    """Store rows together; where that fails, store halves of them, and so on until each bad row is alone and left out.

    Each attempt has a savepoint, so that nothing of a bad row remains.

    :param model: recordset whose cursor is used, and which explains the database's errors
    :param put: stores the rows that it is given; called again with parts of them after a failure
    :param left_out: learns of the rows that are left out
    :param name_of: returns how a reason names a row, such as "ID 5"
    :return: what ``put`` returned for the parts that were stored, in order
    :raise psycopg2.OperationalError: when the database itself is at fault, or another process
    """
    if not rows:
        return []
    try:
        with model.env.cr.savepoint():
            return [put(rows)]
    except NO_ROWS_FAULT:
        raise
    except Exception as error:
        if len(rows) == 1:
            reason = _explain(model, error)
            left_out.add(f"{name_of(rows[0])}: {reason}", rows[0])
            return []
    middle = len(rows) // 2
    parts = (rows[:middle], rows[middle:])
    return [result for part in parts for result in put_away(model, part, put, left_out, name_of)]


def _explain(model: Recordset, error: Exception) -> str:
    """Return in one line why a row was refused."""
    if isinstance(error, psycopg2.Error):
        text = model._sql_error_to_message(error)
    elif isinstance(error, UserError):
        text = str(error)
    else:
        _logger.warning("A row of ASTPP could not be taken over", exc_info=error)
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())
