from datetime import timedelta

from odoo import fields

from .common import AstppCommon
from .mariadb import READER, MariaDb

CALL = {
    "callerid": "Caller <100>", "callednum": "442012345678", "billseconds": 60, "disposition": "NORMAL_CLEARING [16]",
    "debit": "0.1", "cost": "0.08", "pattern": "^44.*", "notes": "United Kingdom", "rate_cost": "0.1",
    "call_direction": "outbound", "calltype": "STANDARD", "provider_call_cost": 0, "translated_dst": "",
}  # fmt: skip


class SyncCommon(AstppCommon):
    """A real ASTPP database with a few accounts, and a server record that reads it."""

    sql_mode = "NO_ENGINE_SUBSTITUTION"
    database_server = MariaDb

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mariadb = cls.database_server.start_for(cls)

    def setUp(self):
        super().setUp()
        self.mariadb.make_astpp()
        self.day = fields.Datetime.now().replace(hour=10, minute=0, second=0, microsecond=0) - timedelta(days=1)
        self.server = self.env["astpp.server"].create(
            {
                "name": "Live", "host": "127.0.0.1", "port": self.mariadb.port, "user": READER[0], "password": READER[1],
                "tls": self.mariadb.encryption, "sync_from": self.day - timedelta(days=20),
                "call_product_id": self.call_product.id,
            }
        )  # fmt: skip
        self.number = 0
        self.mariadb.insert(
            "accounts",
            {"id": 5, "number": "R5", "type": 1, "company_name": "Upper Reseller", "posttoexternal": 1, "sweep_id": 2},
            {"id": 7, "number": "R7", "type": 1, "company_name": "Lower Reseller", "posttoexternal": 1, "reseller_id": 5},
            {"id": 12, "number": "C12", "first_name": "Carla", "email": "carla@example.com", "posttoexternal": 1,
             "reseller_id": 7, "sweep_id": 2, "invoice_day": 31, "timezone_id": 50},
            {"id": 13, "number": "C13", "first_name": "Carla", "email": "carla@example.com", "posttoexternal": 1},
            {"id": 14, "number": "C14", "first_name": "Gone", "deleted": 1, "currency_id": 999},
        )  # fmt: skip

    def call(self, account=12, at=None, table="cdrs", **values):
        self.number += 1
        row = {**CALL, "uniqueid": f"call-{self.number}", "accountid": account, "callstart": at or self.day, **values}
        if table == "reseller_cdrs":
            row.pop("provider_call_cost")
        self.mariadb.insert(table, row)
        return row

    def order_package(self):
        """Create an order of ASTPP's account 13: a package of 30 days and 500 minutes, since 1 March 2024."""
        self.mariadb.insert(
            "products",
            {"id": 3, "name": "Talk 500", "product_category": 1, "price": "20", "billing_type": 1, "billing_days": 30,
             "free_minutes": 500, "applicable_for": 2, "status": 0},
        )  # fmt: skip
        self.mariadb.insert("orders", {"id": 40, "order_id": "abc", "accountid": 13, "payment_status": "PAID"})
        self.mariadb.insert(
            "order_items",
            {"id": 90, "order_id": 40, "product_category": 1, "product_id": 3, "quantity": 1, "price": "20",
             "billing_type": 1, "billing_days": 30, "free_minutes": 500, "accountid": 13,
             "billing_date": "2024-03-01 00:00:01", "next_billing_date": "2024-03-30 23:59:59",
             "termination_date": "0000-00-00 00:00:00"},
        )  # fmt: skip

    def orders(self):
        return self.env["astpp.subscription"].search([("server_id", "=", self.server.id)])

    def sync(self):
        self.assertTrue(self.server._sync(commit=False), self.server.sync_error)

    def usage(self, *domain):
        return self.env["astpp.usage"].search([("server_id", "=", self.server.id), *domain], order="id")

    def account(self, astpp_id):
        return self.env["astpp.account"].search([("server_id", "=", self.server.id), ("astpp_id", "=", astpp_id)])

    def step(self, name):
        return self.server.sync_step_ids.filtered(lambda step: step.step == name)
