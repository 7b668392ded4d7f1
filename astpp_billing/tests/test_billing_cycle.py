from datetime import date

from odoo.tests import TransactionCase, tagged

from ..billing_cycle import Cycle, boundary_at_or_before, local_date, midnight, next_boundary
from .common import utc


@tagged("post_install", "-at_install")
class TestBillingCycle(TransactionCase):
    def days(self, start, cycle, count):
        boundary, days = start, []
        for _step in range(count):
            boundary = next_boundary(boundary, cycle)
            days.append(local_date(boundary, cycle.tz))
        return days

    def test_month_end_is_kept_after_a_short_month(self):
        days = self.days(utc(2024, 1, 31), Cycle(day=31), 4)
        self.assertEqual(days, [date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30), date(2024, 5, 31)])

    def test_every_unit(self):
        self.assertEqual(self.days(utc(2024, 2, 28), Cycle(unit="day"), 2), [date(2024, 2, 29), date(2024, 3, 1)])
        self.assertEqual(
            self.days(utc(2024, 1, 1), Cycle(unit="week", weekday=2), 2), [date(2024, 1, 3), date(2024, 1, 10)]
        )
        self.assertEqual(
            self.days(utc(2024, 2, 29), Cycle(unit="year", day=29, month=2), 2), [date(2025, 2, 28), date(2026, 2, 28)]
        )
        self.assertEqual(
            self.days(utc(2024, 11, 30), Cycle(interval=3, day=30), 2), [date(2025, 2, 28), date(2025, 5, 30)]
        )

    def test_first_period_is_short(self):
        """The first period ends on the next billing day, so it is shorter than a whole one."""
        self.assertEqual(
            self.days(utc(2024, 1, 10), Cycle(interval=3, day=15), 2), [date(2024, 1, 15), date(2024, 4, 15)]
        )

    def test_daylight_saving(self):
        cycle = Cycle(unit="day", tz="Europe/Berlin")
        self.assertEqual(next_boundary(utc(2024, 3, 30, 23), cycle), utc(2024, 3, 31, 22))
        self.assertEqual(next_boundary(utc(2024, 10, 26, 22), cycle), utc(2024, 10, 27, 23))

    def test_midnight_that_does_not_exist(self):
        """In Lebanon, clocks jumped from 0:00 to 1:00: the day begins at 1:00."""
        start = midnight(date(2022, 3, 27), "Asia/Beirut")
        self.assertEqual(start, utc(2022, 3, 26, 22))
        self.assertEqual(local_date(start, "Asia/Beirut"), date(2022, 3, 27))

    def test_change_of_zone_makes_no_tiny_period(self):
        """After a move from Tokyo to London, the nine hours between their midnights form no period of their own."""
        billed = midnight(date(2024, 2, 1), "Asia/Tokyo")
        end = next_boundary(billed, Cycle(day=1, tz="Europe/London"))
        self.assertEqual(end, utc(2024, 3, 1))

    def test_where_a_new_account_starts(self):
        self.assertEqual(boundary_at_or_before(utc(2024, 3, 10, 7), Cycle(day=31)), utc(2024, 2, 29))
        self.assertEqual(
            boundary_at_or_before(utc(2024, 3, 10, 7), Cycle(unit="year", day=1, month=4)), utc(2023, 4, 1)
        )
