"""Batches that got in the way of another process: they are rolled back and done again."""

from collections.abc import Callable
from typing import TypeVar

from odoo.api import Environment
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

Result = TypeVar("Result")

RETRIES = 5


def retry(env: Environment, batch: Callable[[], Result]) -> Result:
    """Call a batch that commits by itself; after a conflict with another process roll back and call it again at once.

    Odoo's ``retrying`` waits for seconds and commits. A batch need not wait, because it searches again for what is due
    and skips what others have locked.

    :return: what the batch returned
    :raise psycopg2.OperationalError: the conflict, when it came again in each of ``RETRIES`` further attempts
    """
    for attempts_left in reversed(range(RETRIES + 1)):
        try:
            return batch()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            env.cr.rollback()
            if not attempts_left:
                raise
    raise AssertionError("no attempt was made")
