"""Batches that met another process: each is rolled back and done again."""

from collections.abc import Callable
from typing import TypeVar

from odoo.api import Environment
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

Result = TypeVar("Result")

RETRIES = 5


def retry(env: Environment, batch: Callable[[], Result]) -> Result:
    """Call a batch that commits what it does; where it met another process, roll back and call it again at once.

    Odoo's ``retrying`` waits for seconds and commits by itself. A batch need not wait: it looks anew for what is due,
    and leaves alone what others hold.

    :return: what the batch returned
    :raise psycopg2.OperationalError: what PostgreSQL said of the other process, when it was met ``RETRIES`` times more
    """
    for attempts_left in reversed(range(RETRIES + 1)):
        try:
            return batch()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            env.cr.rollback()
            if not attempts_left:
                raise
    raise AssertionError("no attempt was made")
