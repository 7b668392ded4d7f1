from freezegun import freeze_time

from odoo.tests import HttpCase, new_test_user, tagged

from .common import AstppCommon

NUMBERS = ("4410000", "4420000")


@tagged("post_install", "-at_install")
class TestPortalTerms(AstppCommon, HttpCase):
    """Whoever an account belongs to by now does not see the calls of whoever had it before."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.next_owner = cls.make_account("Next Owner")
        cls.other = cls.make_account("Other Reseller", account_type="reseller")
        cls.make_issuer(cls.other, prefix="O-")
        for name, account in {
            "former": cls.customer, "next": cls.next_owner, "reseller": cls.reseller, "other": cls.other,
        }.items():  # fmt: skip
            user = new_test_user(cls.env, login=f"t.{name}", password=f"t.{name}xxxx", groups="base.group_portal")
            user.partner_id.parent_id = account.partner_id

    def moved(self, account, **values):
        """Load a call, move the account, and load another call."""
        self.load(self.row(account, callednum=NUMBERS[0], callstart="2024-01-15 12:00:00", debit="3"))
        with freeze_time("2024-01-20"):
            account.write(values)
        self.load(self.row(account, callednum=NUMBERS[1], callstart="2024-01-25 12:00:00", debit="4"))

    def seen(self, name, query):
        """Return which of the two calls a user finds, on the page and in the file."""
        self.authenticate(f"t.{name}", f"t.{name}xxxx")
        page = self.url_open(f"/my/charges?period=all&{query}").text
        file = self.url_open(f"/my/charges.csv?period=all&{query}").text
        shown = [number in page for number in NUMBERS]
        self.assertEqual(shown, [number in file for number in NUMBERS])
        return shown

    def test_customers_see_their_own_time(self):
        self.moved(self.customer, partner_id=self.next_owner.partner_id.id)
        for query in ("", f"account_id={self.customer.id}"):
            with self.subTest(query):
                self.assertEqual(self.seen("former", query), [True, False])
                self.assertEqual(self.seen("next", query), [False, True])
        totals = self.url_open(f"/my/charges/totals?period=all&account_id={self.customer.id}").text
        self.assertIn("4.00", totals)
        self.assertNotIn("7.00", totals)

    def test_resellers_see_their_customers_since_they_have_them(self):
        self.moved(self.reseller_customer, parent_id=self.other.id)
        for query in ("below=1", f"account_id={self.reseller_customer.id}"):
            with self.subTest(query):
                self.assertEqual(self.seen("other", query), [False, True])
        self.assertEqual(self.seen("reseller", "below=1"), [False, False])

    def test_reseller_who_becomes_an_issuer_sees_all(self):
        plain = self.make_account("Plain Reseller", account_type="reseller")
        user = new_test_user(self.env, login="t.plain", password="t.plainxxxx", groups="base.group_portal")
        user.partner_id.parent_id = plain.partner_id
        below = self.make_account("Below", parent_id=plain.id)
        self.load(self.row(below, callednum=NUMBERS[0], debit="3"))
        self.bill(below)
        self.make_issuer(plain, prefix="P-")
        self.load(self.row(below, callednum=NUMBERS[1], debit="4"))
        self.assertEqual(self.seen("plain", "below=1"), [True, True])
