import json
import re
from datetime import timedelta
from pathlib import Path

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged

from ..models.astpp_usage_ingest import MAX_ROWS
from .common import AstppCommon

GUIDE = Path(__file__).parents[2] / "docs" / "operator.md"


@tagged("post_install", "-at_install")
class TestIngest(AstppCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.feed = new_test_user(
            cls.env, login="feed", groups="astpp_billing.group_usage_feed", company_id=cls.env.company.id,
            company_ids=[(6, 0, cls.env.company.ids)],
        )  # fmt: skip

    def ingest(self, *rows, **values):
        return self.env["astpp.usage"].with_user(self.feed).ingest(list(rows), **values)

    def test_rows_are_added_once(self):
        row = self.row(self.customer)
        bad = row | {"billseconds": "long"}
        self.assertEqual(
            self.ingest(row, bad, "x", self.row(None) | {"accountid": "4711"}),
            {
                "added": 2,
                "known": 0,
                "held": {"unknown_account": 1},
                "rejected": [
                    {"index": 1, "reason": "billseconds: 'long' is neither seconds nor minutes:seconds"},
                    {"index": 2, "reason": "the row is no object"},
                ],
            },
        )
        self.assertEqual(self.ingest(row)["known"], 1)
        numbers = {"accountid": self.customer.astpp_id, "billseconds": 60, "debit": 0.25, "uniqueid": "n1"}
        self.assertEqual(self.ingest({**row, **numbers})["added"], 1)
        self.assertEqual(self.ingest({**row, "accountid": True})["rejected"][0]["index"], 0)

    def test_limits(self):
        with self.assertRaises(UserError):
            self.ingest(*[{}] * (MAX_ROWS + 1))
        self.assertEqual(len(self.ingest(*[{}] * MAX_ROWS)["rejected"]), MAX_ROWS)
        with self.assertRaises(UserError):
            self.ingest(server="no such server")

    def test_only_the_feed(self):
        user = new_test_user(self.env, login="clerk", groups="base.group_user,sales_team.group_sale_salesman")
        portal = new_test_user(self.env, login="visitor", groups="base.group_portal")
        for other in (user, portal):
            with self.assertRaises(AccessError):
                self.env["astpp.usage"].with_user(other).ingest([])
        for model in ("astpp.usage", "astpp.account", "astpp.server", "account.move", "astpp.billing.run"):
            for operation in ("read", "write", "create", "unlink"):
                self.assertFalse(self.env[model].with_user(self.feed).has_access(operation), (model, operation))

    def test_through_odoos_own_interface(self):
        key = (
            self.env["res.users.apikeys"]
            .with_user(self.feed)
            ._generate("rpc", "feed", fields.Datetime.now() + timedelta(days=1))
        )
        response = self.url_open(
            "/json/2/astpp.usage/ingest",
            data=json.dumps({"rows": [self.row(self.customer)]}),
            headers={"Authorization": f"bearer {key}", "Content-Type": "application/json"},
        )
        self.assertEqual(response.json(), {"added": 1, "known": 0, "held": {}, "rejected": []})
        response = self.url_open("/json/2/astpp.usage/ingest", data="{}", headers={"Content-Type": "application/json"})
        self.assertEqual(response.status_code, 401)

    def test_curl_line_of_the_guide(self):
        """What the operator's guide tells people to type works."""
        if not GUIDE.exists():
            self.skipTest("the guide is not beside an installed addon")
        text = GUIDE.read_text(encoding="utf-8")
        command = re.search(r"^curl .*?}'$", text, re.MULTILINE | re.DOTALL)[0]
        path = re.search(r"https://[^/]+(/\S+)", command)[1]
        headers = dict(re.findall(r"-H '([^:]+): ([^']+)'", command))
        body = re.search(r"-d '(.*)'", command, re.DOTALL)[1]
        answer = json.loads(re.search(r"answers `(\{.*?\})`", text, re.DOTALL)[1])
        # Accounts of this class may have the guide's ID.
        self.env["astpp.account"].search([("astpp_id", "=", 12)]).astpp_id = False
        self.make_account("Of the guide", astpp_id=12)
        key = (
            self.env["res.users.apikeys"]
            .with_user(self.feed)
            ._generate("rpc", "feed", fields.Datetime.now() + timedelta(days=1))
        )
        headers["Authorization"] = headers["Authorization"].replace("YOUR_API_KEY", key)
        self.assertEqual(self.url_open(path, data=body, headers=headers).json(), answer)
