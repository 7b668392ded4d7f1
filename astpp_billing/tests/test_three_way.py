from datetime import date

from odoo.tests import TransactionCase, tagged

from ..three_way import news, plain


@tagged("post_install", "-at_install")
class TestThreeWay(TransactionCase):
    """Merging ASTPP's last value, ASTPP's current value and Odoo's value."""

    def test_change_in_astpp(self):
        self.assertEqual(news({"price": 5}, {"price": 7}, {"price": 5}), {"price": 7})

    def test_change_in_odoo(self):
        self.assertEqual(news({"price": 5}, {"price": 5}, {"price": 6}), {})

    def test_change_on_both_sides(self):
        """Odoo's change stays, unless ASTPP owns the field."""
        self.assertEqual(news({"price": 5}, {"price": 7}, {"price": 6}), {})
        self.assertEqual(news({"price": 5}, {"price": 7}, {"price": 6}, {"price"}), {"price": 7})

    def test_change_of_an_owned_field_in_odoo(self):
        self.assertEqual(
            news({"status": "open"}, {"status": "open"}, {"status": "closed"}, {"status"}), {"status": "open"}
        )

    def test_field_without_an_earlier_value_in_astpp(self):
        """A field without an earlier value in ASTPP counts as changed there and as unchanged in Odoo."""
        self.assertEqual(news({}, {"city": "Rome"}, {"city": False}), {"city": "Rome"})

    def test_equal_already(self):
        self.assertEqual(news({"price": 5}, {"price": 7}, {"price": 7}, {"price"}), {})

    def test_plain(self):
        self.assertEqual(
            plain({"none": None, "day": date(2024, 2, 29), "ids": [1, 2]}),
            {"none": False, "day": "2024-02-29", "ids": [1, 2]},
        )
