import json
import logging
import re
import runpy
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger
from odoo.tools.misc import file_path

from ..models.ledger.astpp_usage_ingest import MAX_ROWS
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

    def test_only_the_feed_may_ingest(self):
        user = new_test_user(self.env, login="clerk", groups="base.group_user,sales_team.group_sale_salesman")
        portal = new_test_user(self.env, login="visitor", groups="base.group_portal")
        for other in (user, portal):
            with self.assertRaises(AccessError):
                self.env["astpp.usage"].with_user(other).ingest([])
        for model in ("astpp.usage", "astpp.account", "astpp.server", "account.move", "astpp.billing.run"):
            for operation in ("read", "write", "create", "unlink"):
                self.assertFalse(self.env[model].with_user(self.feed).has_access(operation), (model, operation))

    def call(self, user, model, method, **values):
        """Call a method over JSON-2 with an API key of the user's; return the response."""
        key = (
            self.env["res.users.apikeys"]
            .with_user(user)
            ._generate("rpc", "feed", fields.Datetime.now() + timedelta(days=1))
        )
        return self.url_open(
            f"/json/2/{model}/{method}",
            data=json.dumps(values),
            headers={"Authorization": f"bearer {key}", "Content-Type": "application/json"},
        )

    def test_through_odoos_own_interface(self):
        response = self.call(self.feed, "astpp.usage", "ingest", rows=[self.row(self.customer)])
        self.assertEqual(response.json(), {"added": 1, "known": 0, "held": {}, "rejected": []})
        response = self.url_open("/json/2/astpp.usage/ingest", data="{}", headers={"Content-Type": "application/json"})
        self.assertEqual(response.status_code, 401)

    @mute_logger("odoo.http")
    def test_feed_reaches_only_its_own_company(self):
        """Calls reach only the user's company, whatever companies the caller puts into the context."""
        other = self.env["res.company"].create(
            {"name": "Unrelated operator", "currency_id": self.env.company.currency_id.id}
        )
        values = {"company_id": other.id, "company_ids": [Command.set(other.ids)]}
        feed = new_test_user(self.env, login="feed_b", groups="astpp_billing.group_usage_feed", **values)
        accountant = new_test_user(
            self.env, login="accountant_b", groups="base.group_user,account.group_account_manager", **values
        )
        mine = self.env.company.id
        contexts = (
            *({}, {"allowed_company_ids": [mine]}, {"allowed_company_ids": [other.id, mine]}),
            *(
                {"force_company": mine},
                {"company_id": mine},
                {"default_company_id": mine, "default_server_id": self.server.id},
            ),
            {"allowed_company_ids": [mine], "su": True, "active_test": False},
        )
        row = self.row(self.customer)
        for user in (feed, accountant):
            for context in contexts:
                for server in (None, self.server.name):
                    with self.subTest(user=user.login, context=context, server=server):
                        # The first call in a test class may find an outdated cache of companies.
                        response = self.call(user, "astpp.usage", "ingest", rows=[row], server=server, context=context)
                        self.assertIn(response.status_code, (403, 422), response.text)
                        usage = self.env["astpp.usage"].with_user(user).with_context(**context)
                        with self.assertRaises(UserError):
                            usage.ingest([row], server)
        self.assertFalse(self.env["astpp.usage"].sudo().search_count([("server_id", "=", self.server.id)]))
        theirs = self.env["astpp.server"].create({"name": "Theirs", "company_id": other.id})
        self.assertEqual(self.call(feed, "astpp.usage", "ingest", rows=[row]).json()["held"], {"unknown_account": 1})
        usage = self.env["astpp.usage"].search([("source_key", "!=", False), ("server_id", "=", theirs.id)])
        self.assertEqual(usage.company_id, other)

    def test_the_feed_may_read_nothing(self):
        """The user can read no model of any module, and is no internal user, who could log in to the backend."""
        self.assertFalse(self.feed._is_internal())
        self.assertFalse(self.feed.has_group("base.group_portal"))
        tried = 0
        for name in sorted(self.registry):
            model = self.env[name].with_user(self.feed)
            for operation in ("read", "write", "create", "unlink"):
                tried += 1
                self.assertFalse(model.has_access(operation), (name, operation))
        self.assertGreater(tried, 400)
        with mute_logger("odoo.http", "odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule"):
            for model in ("res.partner", "discuss.channel", "account.account", "astpp.usage", "astpp.server"):
                response = self.call(self.feed, model, "search_read", domain=[], fields=["id"])
                self.assertEqual(response.status_code, 403, model)
        key = self.env["res.users.apikeys"].with_user(self.feed)
        key._generate("rpc", "for a year", fields.Datetime.now() + timedelta(days=364))

    def test_mere_feeds_stop_being_internal_users(self):
        """On upgrade, users of the feed stop being internal, unless they have other rights as well."""
        group, internal = self.env.ref("astpp_billing.group_usage_feed"), self.env.ref("base.group_user")
        group.implied_ids += internal
        feed = new_test_user(self.env, login="old_feed", groups="base.group_user,astpp_billing.group_usage_feed")
        person = new_test_user(
            self.env, login="person", groups="account.group_account_invoice,astpp_billing.group_usage_feed"
        )
        extra = new_test_user(
            self.env, login="extra", groups="base.group_multi_currency,astpp_billing.group_usage_feed"
        )
        self.assertTrue(feed._is_internal())
        path = file_path("astpp_billing/migrations/19.0.1.4.0/post-usage_feed.py")
        with patch.object(logging.getLogger("<run_path>"), "info") as log:
            runpy.run_path(path)["migrate"](self.env.cr, "19.0.1.3.0")
        self.env.invalidate_all()
        self.assertEqual(feed.group_ids, group)
        self.assertFalse(feed._is_internal())
        self.assertTrue(person._is_internal() and extra._is_internal())
        told = log.call_args_list[0].args[1]
        self.assertIn("old_feed", told)
        self.assertNotIn("person", told)
        self.assertEqual(feed.with_user(feed).env["astpp.usage"].ingest([self.row(self.customer)])["added"], 1)

    def test_a_bad_row_fails_alone(self):
        """Lone surrogates, endless texts, calls of the day after tomorrow, and amounts that are no numbers."""
        good = self.row(self.customer)
        ahead = (datetime.now() + timedelta(days=2)).isoformat(" ", "seconds")
        bad = (
            *({"callednum": "44\ud800"}, {"notes": "\udfff"}, {"uniqueid": "\udc80"}, {"account_number": "\ud800"}),
            *({"callednum": "4" * 256}, {"notes": "x" * 100_000}, {"callstart": "2" * 5000}, {"uniqueid": "u" * 256}),
            *({"callstart": ahead}, {"callstart": "2099-12-31 23:59:59"}, {"callstart": "9999-12-31 23:59:59"}),
            *(
                {"debit": 1e300},
                {"debit": float("nan")},
                {"debit": float("inf")},
                {"cost": "-Infinity"},
                {"debit": "1e13"},
            ),
            *({"debit": "0e999999999"}, {"cost": 10**400}, {"rate_cost": "NaN"}, {"debit": 10**5000}),
            *({"billseconds": 10**30}, {"accountid": 10**30}, {"callerid": "a\0b"}),
        )
        answer = self.ingest(good, *({**self.row(self.customer), **values} for values in bad))
        self.assertEqual((answer["added"], answer["known"]), (1, 0))
        self.assertEqual([rejected["index"] for rejected in answer["rejected"]], list(range(1, len(bad) + 1)))
        self.assertTrue(all(0 < len(rejected["reason"]) < 400 for rejected in answer["rejected"]))
        json.dumps(answer).encode()
        response = self.call(self.feed, "astpp.usage", "ingest", rows=[{**good, "callednum": "\ud800"}, good])
        self.assertEqual((response.json()["known"], response.json()["rejected"][0]["index"]), (1, 0))

    def test_server_is_given_by_name(self):
        for server in (["ilike", "%"], 5, {"name": "x"}):
            with self.assertRaises(UserError):
                self.ingest(server=server)

    def test_curl_line_of_the_guide(self):
        """The command in the operator's guide works as printed."""
        if not GUIDE.exists():
            self.skipTest("the guide is not beside an installed addon")
        text = GUIDE.read_text(encoding="utf-8")
        command = re.search(r"^curl .*?}'$", text, re.MULTILINE | re.DOTALL)[0]
        path = re.search(r"https://[^/]+(/\S+)", command)[1]
        headers = dict(re.findall(r"-H '([^:]+): ([^']+)'", command))
        body = re.search(r"-d '(.*)'", command, re.DOTALL)[1]
        answer = json.loads(re.search(r"answers `(\{.*?\})`", text, re.DOTALL)[1])
        # Another account of this class may have the ASTPP ID that the guide uses.
        self.env["astpp.account"].search([("astpp_id", "=", 12)]).astpp_id = False
        self.make_account("Of the guide", astpp_id=12)
        key = (
            self.env["res.users.apikeys"]
            .with_user(self.feed)
            ._generate("rpc", "feed", fields.Datetime.now() + timedelta(days=1))
        )
        headers["Authorization"] = headers["Authorization"].replace("YOUR_API_KEY", key)
        self.assertEqual(self.url_open(path, data=body, headers=headers).json(), answer)
