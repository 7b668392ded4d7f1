from unittest.mock import Mock

from psycopg2.errors import DeadlockDetected, SerializationFailure

from odoo.tests import BaseCase, tagged

from ..conflicts import RETRIES, retry


@tagged("post_install", "-at_install")
class TestConflicts(BaseCase):
    """A batch that conflicts with another process is rolled back and repeated."""

    def test_conflicting_batch_is_repeated(self):
        env, batch = Mock(), Mock(side_effect=[SerializationFailure, DeadlockDetected, "done"])
        self.assertEqual(retry(env, batch), "done")
        self.assertEqual((batch.call_count, env.cr.rollback.call_count), (3, 2))

    def test_repeats_are_limited(self):
        env, batch = Mock(), Mock(side_effect=SerializationFailure)
        with self.assertRaises(SerializationFailure):
            retry(env, batch)
        self.assertEqual((batch.call_count, env.cr.rollback.call_count), (RETRIES + 1, RETRIES + 1))

    def test_other_errors_are_not_repeated(self):
        env, batch = Mock(), Mock(side_effect=ZeroDivisionError)
        with self.assertRaises(ZeroDivisionError):
            retry(env, batch)
        self.assertEqual((batch.call_count, env.cr.rollback.call_count), (1, 0))
