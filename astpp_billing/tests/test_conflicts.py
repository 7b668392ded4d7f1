from unittest.mock import Mock

from psycopg2.errors import DeadlockDetected, SerializationFailure

from odoo.tests import BaseCase, tagged

from ..conflicts import RETRIES, retry


@tagged("post_install", "-at_install")
class TestConflicts(BaseCase):
    """A batch that met another process is rolled back and done again."""

    def test_done_again(self):
        env, batch = Mock(), Mock(side_effect=[SerializationFailure, DeadlockDetected, "done"])
        self.assertEqual(retry(env, batch), "done")
        self.assertEqual((batch.call_count, env.cr.rollback.call_count), (3, 2))

    def test_not_for_ever(self):
        env, batch = Mock(), Mock(side_effect=SerializationFailure)
        with self.assertRaises(SerializationFailure):
            retry(env, batch)
        self.assertEqual((batch.call_count, env.cr.rollback.call_count), (RETRIES + 1, RETRIES + 1))

    def test_other_errors_are_not_tried_again(self):
        env, batch = Mock(), Mock(side_effect=ZeroDivisionError)
        with self.assertRaises(ZeroDivisionError):
            retry(env, batch)
        self.assertEqual((batch.call_count, env.cr.rollback.call_count), (1, 0))
