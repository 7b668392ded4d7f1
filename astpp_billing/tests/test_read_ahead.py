import threading
import time
from itertools import count

from odoo.tests import BaseCase, tagged

from ..connector.read_ahead import read_ahead


@tagged("post_install", "-at_install")
class TestReadAhead(BaseCase):
    """A thread reads items before they are requested, and ends when nobody requests them any more."""

    def threads(self):
        return [thread for thread in threading.enumerate() if thread.name == "astpp-read-ahead"]

    def test_items_keep_their_order(self):
        for depth in (1, 3, 500):
            with read_ahead(iter(range(300)), depth) as items:
                self.assertEqual(list(items), list(range(300)))
        self.assertFalse(self.threads())

    def test_errors_follow_the_items_read_before(self):
        def items():
            yield from (1, 2)
            raise ValueError("cut off")

        seen = []
        with self.assertRaisesRegex(ValueError, "cut off"), read_ahead(items(), 10) as read:
            seen.extend(read)
        self.assertEqual(seen, [1, 2])
        self.assertFalse(self.threads())

    def test_reading_waits_for_its_reader(self):
        taken = []
        with read_ahead((taken.append(n) or n for n in count()), 5) as items:
            next(items)
            time.sleep(0.2)
            self.assertLessEqual(len(taken), 8, "what waits is bounded")
        self.assertFalse(self.threads())

    def test_leaving_early_ends_the_thread(self):
        closed = []

        def items():
            try:
                yield from count()
            finally:
                closed.append(True)

        with self.assertRaises(ZeroDivisionError), read_ahead(items(), 2) as read:
            next(read)
            1 / 0  # noqa: B018
        self.assertFalse(self.threads())
        self.assertTrue(closed)
