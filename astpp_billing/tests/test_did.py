from collections import Counter

import psycopg2

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged
from odoo.tools import file_open, mute_logger

from ..models.ledger.usage_copy import in_chunks, owned_lines
from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestDid(AstppCommon):
    """The inventory of numbers: one owner at a time, and a quarantine before the next one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.did = cls.env["astpp.did"].create({"number": "442070000001", "price": 3})
        cls.product = cls.make_product("did", price=3)
        cls.reason = cls.env.ref("astpp_billing.close_reason_request")

    @freeze_time("2024-01-01 10:00:00")
    def test_life_of_a_number(self):
        order = self.subscribe(self.customer, self.product, did_id=self.did.id)
        self.assertEqual((self.did.state, self.did.account_id), ("assigned", self.customer))
        other = self.make_account()
        with self.assertRaisesRegex(UserError, "442070000001 is not free: Assigned"):
            self.subscribe(other, self.product, did_id=self.did.id)
        with freeze_time("2024-01-15 10:00:00"):
            order._terminate(self.reason)
            self.assertEqual(self.did.state, "quarantine")
            with self.assertRaisesRegex(UserError, "Quarantine"):
                self.subscribe(other, self.product, did_id=self.did.id)
        with freeze_time("2024-02-13 10:00:00"):
            self.renew()
            self.assertEqual(self.did.state, "quarantine")
        with freeze_time("2024-02-14 10:01:00"):
            self.renew()
            self.assertEqual(self.did.state, "free", "30 days have passed")
            self.subscribe(other, self.product, did_id=self.did.id)
        owners = self.did.assignment_ids.sorted("date_start")
        self.assertEqual(owners.account_id, self.customer | other)
        self.assertEqual([bool(each.date_end) for each in owners], [True, False])

    @freeze_time("2024-01-01 10:00:00")
    def test_reserved(self):
        self.did.reserved_account_id = self.customer
        with self.assertRaisesRegex(UserError, "Reserved"):
            self.subscribe(self.make_account(), self.product, did_id=self.did.id)
        self.subscribe(self.customer, self.product, did_id=self.did.id)
        self.assertEqual(self.did.state, "assigned")
        self.assertFalse(self.did.reserved_account_id)

    def test_the_database_allows_one_owner(self):
        values = {"did_id": self.did.id, "account_id": self.customer.id}
        self.env["astpp.did.assignment"].sudo().create(values)
        with self.assertRaises(psycopg2.errors.UniqueViolation), mute_logger("odoo.sql_db"):
            self.env["astpp.did.assignment"].sudo().create(values)

    def test_inbound_calls_are_linked(self):
        inbound = {"calltype": "DID", "call_direction": "inbound"}
        self.load(
            self.row(self.customer, callednum=self.did.number, **inbound),
            self.row(self.customer, callednum="442079999999", **inbound),
            self.row(self.customer, callednum=self.did.number),
        )
        self.assertEqual(self.did.call_count, 1)
        usage = self.env["astpp.usage"].sudo()
        records = iter([(2, self.record(self.row(self.customer, callednum=self.did.number, **inbound)))])
        totals, ids = {}, usage._total_ids(self.server)
        lines = owned_lines(usage._owners(self.server), records, Counter(), ids, totals)
        usage._copy_owned(self.server, in_chunks(lines), totals)
        self.did.invalidate_recordset()
        self.assertEqual(self.did.call_count, 2, "the fast way in links them too")
        action = self.did.action_view_calls()
        self.assertEqual(self.env["astpp.usage"].search_count(action["domain"]), 2)
        with self.assertRaisesRegex(UserError, "cannot be deleted"):
            self.did.unlink()

    def test_import(self):
        """The template that the import screen offers can be imported as it is."""
        template = self.env["astpp.did"].get_import_templates()[0]["template"]
        with file_open(template.lstrip("/"), "rb") as file:
            wizard = self.env["base_import.import"].create(
                {"res_model": "astpp.did", "file": file.read(), "file_name": "dids.csv", "file_type": "text/csv"}
            )
        options = {"has_headers": True, "quoting": '"', "separator": ",", "encoding": "utf-8"}
        preview = wizard.parse_preview(options)
        columns = preview["headers"]
        result = wizard.execute_import(columns, columns, options)
        self.assertFalse(result["messages"])
        did = self.env["astpp.did"].search([("number", "=", "442071234568")])
        self.assertEqual((did.city, did.country_id.code, did.price, did.state), ("London", "GB", 3.5, "free"))
