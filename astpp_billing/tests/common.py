import csv
import io
from datetime import UTC, datetime
from itertools import count

from odoo.addons.account.tests.common import AccountTestInvoicingCommon

from ..connector.call_record import call_record

COLUMNS = (
    "uniqueid",
    "accountid",
    "callerid",
    "callednum",
    "billseconds",
    "disposition",
    "callstart",
    "debit",
    "cost",
    "pattern",
    "notes",
    "rate_cost",
    "call_direction",
    "calltype",
)


class AstppCommon(AccountTestInvoicingCommon):
    """A server, an operator, a reseller with an own issuer, and helpers to create calls."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call_product = cls.env["product.product"].create(
            {
                "name": "Calls",
                "type": "service",
                "taxes_id": [(6, 0, cls.tax_sale_a.ids)],
                "property_account_income_id": cls.company_data["default_account_revenue"].id,
            }
        )
        cls.server = cls.env["astpp.server"].create({"name": "Test ASTPP", "call_product_id": cls.call_product.id})
        cls.operator = cls.env["astpp.issuer"]._operator(cls.env.company)
        cls.clearing_account = cls.env["account.account"].create(
            {"name": "Owed to Resellers", "code": "ASTPP211", "account_type": "liability_current"}
        )
        cls.ids = count(1)
        cls.customer = cls.make_account("Customer One")
        cls.reseller = cls.make_account("Reseller One", account_type="reseller")
        cls.reseller_issuer = cls.make_issuer(cls.reseller, prefix="R1-", clearing_account_id=cls.clearing_account.id)
        cls.reseller_customer = cls.make_account("Customer of Reseller", parent_id=cls.reseller.id)

    @classmethod
    def make_account(cls, name="Customer", **values):
        """Create an account that is billed monthly on the first, in UTC, and was billed up to 1 January 2024."""
        astpp_id = next(cls.ids)
        partner = cls.env["res.partner"].create({"name": name, "email": f"a{astpp_id}@example.com"})
        accounts = (
            cls.env["astpp.account"]
            ._astpp_own()
            .create(
                {
                    "server_id": cls.server.id,
                    "number": f"A{astpp_id:05d}",
                    "astpp_id": astpp_id,
                    "partner_id": partner.id,
                    "tz": "UTC",
                    "billed_until": "2024-01-01 00:00:00",
                    **values,
                }
            )
        )
        return accounts.with_env(cls.env)

    @classmethod
    def make_issuer(cls, reseller, **values):
        return cls.env["astpp.issuer"].create(
            {"name": reseller.partner_id.name, "account_id": reseller.id, "prefix": f"{reseller.number}-", **values}
        )

    @classmethod
    def make_product(cls, kind="subscription", price=10.0, **values):
        """Create a product that renews monthly, without tax."""
        fee = values.pop("setup_fee", 0.0)
        return cls.env["product.product"].create(
            {
                "name": "Line",
                "type": "service",
                "astpp_type": kind,
                "list_price": price,
                "astpp_setup_fee": fee,
                "astpp_recurring": kind != "topup",
                "taxes_id": [],
                **values,
            }
        )

    @classmethod
    def subscribe(cls, account, product, **values):
        """Create a running subscription."""
        subscription = cls.env["astpp.subscription"].create(
            {"account_id": account.id, "product_id": product.id, **values}
        )
        subscription.action_start()
        return subscription

    def renew(self):
        """Do what the scheduled action does, without its commits."""
        subscriptions = self.env["astpp.subscription"]
        while subscriptions._renew_batch():
            pass
        self.env["astpp.did"]._free_quarantined()

    @classmethod
    def row(cls, account, **values):
        """Return a row of cdrs as ASTPP writes it: one minute at 0.10 on 15 January 2024."""
        number = next(cls.ids)
        return {
            "uniqueid": f"00000000-0000-0000-0000-{number:012d}",
            "accountid": str(account.astpp_id if account else 0),
            "callerid": "Caller <100>",
            "callednum": "442012345678",
            "billseconds": "60",
            "disposition": "NORMAL_CLEARING [16]",
            "callstart": "2024-01-15 12:00:00",
            "debit": "0.100000",
            "cost": "0.080000",
            "pattern": "^44.*",
            "notes": "United Kingdom",
            "rate_cost": "0.1",
            "call_direction": "outbound",
            "calltype": "STANDARD",
        } | {key: str(value) for key, value in values.items()}

    @classmethod
    def record(cls, row, source="cdr"):
        return call_record(row, source)

    @classmethod
    def load(cls, *rows, source="cdr"):
        """Load rows of cdrs into the ledger."""
        records = ((line, cls.record(row, source)) for line, row in enumerate(rows, 2))
        return cls.env["astpp.usage"].sudo()._load_calls(cls.server, records)

    @classmethod
    def load_calls(cls, account, *amounts, **values):
        cls.load(*(cls.row(account, debit=amount, **values) for amount in amounts))
        return cls.env["astpp.usage"].search([("account_id", "=", account.id)], order="id")

    def csv_file(self, *rows, delimiter=",", bom=False, columns=COLUMNS):
        """Return a file with rows of cdrs; rows given as text are written unchanged."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            if isinstance(row, str):
                text.write(row + "\n")
            else:
                writer.writerow(row.get(column, "") for column in columns)
        return io.BytesIO((b"\xef\xbb\xbf" if bom else b"") + text.getvalue().encode())

    def bill(self, *accounts, **values):
        """Run billing for these accounts for January 2024 and return the run."""
        run = self.env["astpp.billing.run"].create(
            {
                "date": "2024-02-01",
                "invoice_date": "2024-02-01",
                "account_ids": [(6, 0, [account.id for account in accounts])],
                **values,
            }
        )
        run.action_run()
        return run

    def assertLedgerHolds(self):
        """Every usage line is unbilled, or on one invoice line in force that is worth its usage."""
        self.env.flush_all()
        usage = self.env["astpp.usage"].sudo().search([("server_id", "=", self.server.id)])
        for lines in usage.filtered("move_line_id").grouped("move_line_id").values():
            line = lines.move_line_id
            self.assertEqual(lines.move_id, line.move_id)
            self.assertIn(line.move_id.state, ("draft", "posted"))
            sign = -1 if line.move_id.move_type == "out_refund" else 1
            total = line.currency_id.round(sum(lines.mapped("amount")))
            self.assertEqual(line.price_unit * line.quantity * sign, total)
        for account in usage.account_id:
            for line in account.move_ids.filtered(lambda move: move.state != "cancel").invoice_line_ids:
                self.assertTrue(usage.filtered(lambda use, line=line: use.move_line_id == line), line.name)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)
