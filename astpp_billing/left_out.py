"""Rows of ASTPP that cannot be taken over are left out and listed, so that the others go on."""

import logging

import psycopg2

from odoo.exceptions import UserError

from .connector.database import ConnectorError

_logger = logging.getLogger(__name__)

# Rows that are listed with their reason; the others are counted.
LISTED = 50
# A connection or another process is at fault: no row is, and none is left out.
NO_ROWS_FAULT = (psycopg2.OperationalError, psycopg2.InterfaceError, ConnectorError)


class LeftOut:
    """The rows that were left out, the first ones with their reason."""

    def __init__(self):
        self.count = 0
        self.reasons = []
        self.keys = set()
        """what identifies them, for those that depend on them"""

    def add(self, reason, key=None):
        """Count a row; ``reason`` says which one it is and why it was left out."""
        self.count += 1
        self.keys.add(key)
        if len(self.reasons) < LISTED:
            self.reasons.append(reason)

    def include(self, other):
        """Count the rows of another ``LeftOut`` as well."""
        self.count += other.count
        self.reasons = (self.reasons + other.reasons)[:LISTED]


def put_away(model, rows, put, left_out, name_of):
    """Put rows away together; where that fails, by halves, until the bad ones are alone and left out.

    Each attempt is a savepoint with all that it caused, so nothing of a bad row remains.

    :param model: recordset whose cursor is used, and which words the database's refusals
    :param rows: list of what is hashable
    :param put: function of a list of rows, called again with a part of it after a failure
    :param left_out: ``LeftOut``
    :param name_of: function that says which row it is, such as "ID 5"
    :return: list of what ``put`` returned for the parts that went well, in order
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


def _explain(model, error):
    """Say in one line why a row was refused."""
    if isinstance(error, psycopg2.Error):
        text = model._sql_error_to_message(error)
    elif isinstance(error, UserError):
        text = str(error)
    else:
        _logger.warning("A row of ASTPP could not be taken over", exc_info=error)
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())
