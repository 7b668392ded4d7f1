from pathlib import Path

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import file_path

from .common import AstppCommon

# Wizards whose records belong to the user who created them.
WIZARDS = (
    "astpp.subscription.close",
    "astpp.subscription.change",
    "astpp.subscription.explain",
    "astpp.price.change",
    "astpp.price.change.line",
    "astpp.coupon.redeem",
    "astpp.coupon.generate",
    "astpp.recognition",
    "astpp.outbox.skip",
    "astpp.outbox.preview",
    "astpp.usage.credit",
    "astpp.opening.enter",
)
MODELS = (
    "astpp.server",
    "astpp.issuer",
    "astpp.account",
    "astpp.usage",
    "astpp.account.term",
    "astpp.usage.total",
    "astpp.usage.day",
    "astpp.usage.import",
    "astpp.billing.run",
    "astpp.billing.result",
    "astpp.sync.step",
    "astpp.sync.slice",
    "astpp.tax",
    "astpp.subscription",
    "astpp.did",
    "astpp.coupon",
    "astpp.payment",
    "astpp.reconciliation",
    "astpp.violation",
    "astpp.billing.preview",
    "astpp.destination",
    "astpp.subscription.line",
    "astpp.close.reason",
    "astpp.allowance",
    "astpp.did.assignment",
    "astpp.notice",
    "astpp.outbox",
    "astpp.outbox.difference",
    "astpp.topup",
    "astpp.settlement",
    "astpp.dispute",
    "astpp.opening",
    "astpp.portal.act",
    *WIZARDS,
)
SALES = {"astpp.account": "r", "astpp.subscription": "r", "astpp.did": "r"}
# {group: operations that it may do}
RIGHTS = {
    "base.group_portal": {},
    "base.group_user": {},
    "sales_team.group_sale_salesman": SALES,
    "sales_team.group_sale_manager": SALES,
    "account.group_account_readonly": dict.fromkeys(MODELS, "r")
    | dict.fromkeys(("astpp.sync.slice", "astpp.portal.act", *WIZARDS), "")
    | {"astpp.subscription.explain": "rwcu"},
    "account.group_account_invoice": {
        "astpp.server": "r",
        "astpp.issuer": "r",
        "astpp.account": "rwc",
        "astpp.usage": "rwcu",
        "astpp.account.term": "rwcu",
        "astpp.usage.total": "r",
        "astpp.usage.day": "r",
        "astpp.usage.import": "rwcu",
        "astpp.billing.run": "rwcu",
        "astpp.billing.result": "r",
        "astpp.sync.step": "r",
        "astpp.sync.slice": "",
        "astpp.tax": "r",
        "astpp.subscription": "rwc",
        "astpp.did": "rwc",
        "astpp.coupon": "r",
        "astpp.payment": "r",
        "astpp.reconciliation": "r",
        "astpp.violation": "r",
        "astpp.billing.preview": "r",
        "astpp.destination": "r",
        "astpp.subscription.line": "r",
        "astpp.close.reason": "r",
        "astpp.allowance": "r",
        "astpp.did.assignment": "r",
        "astpp.notice": "r",
        "astpp.outbox": "r",
        "astpp.outbox.difference": "r",
        "astpp.topup": "rwc",
        "astpp.settlement": "rwcu",
        "astpp.dispute": "rw",
        "astpp.opening": "rw",
        **dict.fromkeys(WIZARDS, "rwcu"),
        "astpp.coupon.generate": "",
        "astpp.outbox.skip": "",
        "astpp.outbox.preview": "",
    },
    "account.group_account_manager": {
        "astpp.server": "rwcu",
        "astpp.issuer": "rwcu",
        "astpp.account": "rwcu",
        "astpp.usage": "rwcu",
        "astpp.account.term": "rwcu",
        "astpp.usage.total": "r",
        "astpp.usage.day": "r",
        "astpp.usage.import": "rwcu",
        "astpp.billing.run": "rwcu",
        "astpp.billing.result": "r",
        "astpp.sync.step": "rwcu",
        "astpp.sync.slice": "rwcu",
        "astpp.tax": "rwcu",
        "astpp.subscription": "rwcu",
        "astpp.did": "rwcu",
        "astpp.coupon": "rwcu",
        "astpp.payment": "rwcu",
        "astpp.reconciliation": "r",
        "astpp.violation": "r",
        "astpp.billing.preview": "r",
        "astpp.destination": "rwcu",
        "astpp.subscription.line": "r",
        "astpp.close.reason": "rwcu",
        "astpp.allowance": "r",
        "astpp.did.assignment": "r",
        "astpp.notice": "r",
        "astpp.outbox": "r",
        "astpp.outbox.difference": "r",
        "astpp.topup": "rwcu",
        "astpp.settlement": "rwcu",
        "astpp.dispute": "rw",
        "astpp.opening": "rw",
        **dict.fromkeys(WIZARDS, "rwcu"),
        "astpp.outbox.preview": "rc",
    },
}


@tagged("post_install", "-at_install")
class TestAccess(AstppCommon):
    def make_user(self, group, **values):
        groups = group if group == "base.group_portal" else f"base.group_user,{group}"
        return new_test_user(
            self.env, login=f"user of {group}", groups=groups, company_id=self.env.company.id,
            company_ids=[(6, 0, self.env.company.ids)], **values,
        )  # fmt: skip

    def test_each_group_has_these_rights(self):
        for group, rights in RIGHTS.items():
            user = self.make_user(group)
            for model in MODELS:
                for letter, operation in zip("rwcu", ("read", "write", "create", "unlink"), strict=True):
                    with self.subTest(group=group, model=model, operation=operation):
                        allowed = self.env[model].with_user(user).has_access(operation)
                        self.assertEqual(allowed, letter in rights.get(model, ""))

    def test_guide_says_who_may_do_what(self):
        """The operator's guide contains the table above, in words for users."""
        letters = {"r": "see", "w": "change", "c": "create", "u": "delete"}
        names = {
            "sales_team.group_sale_salesman": "Salesman",
            "account.group_account_readonly": "Read-only",
            "account.group_account_invoice": "Invoicing",
            "account.group_account_manager": "Administrator",
        }
        rows = ["| | " + " | ".join(names.values()) + " |", "|---|" + "---|" * len(names)]
        for model in sorted(set(MODELS) - set(WIZARDS), key=lambda name: self.env[name]._description):
            rights = [RIGHTS[group].get(model, "") for group in names]
            cells = [
                "all" if right == "rwcu" else ", ".join(letters[each] for each in right) or "–" for right in rights
            ]
            rows.append(f"| {self.env[model]._description} | {' | '.join(cells)} |")
        table = "\n".join(rows)
        # The documents are in the repository, but not in the addon.
        guide = Path(file_path("astpp_billing")).parent / "docs" / "operator.md"
        if guide.exists():
            self.assertIn(table, guide.read_text(), f"put this table into docs/operator.md:\n{table}")

    def test_every_model_has_rules(self):
        for model in self.env["ir.model"].sudo().search([("model", "=like", "astpp.%"), ("abstract", "=", False)]):
            self.assertIn(model.model, MODELS, "add the model to this test")
            self.assertTrue(model.access_ids)
            self.assertTrue(model.rule_ids)

    def test_accountant_does_the_month(self):
        """The Invoicing right suffices to import, bill, release and cancel."""
        user = self.make_user("account.group_account_invoice")
        env = self.env(user=user)
        usage_import = env["astpp.usage.import"].create({"server_id": self.server.id})
        row = self.row(self.customer)
        usage_import._import_stream(self.csv_file(row, row), "calls.csv")
        run = env["astpp.billing.run"].create(
            {"date": "2024-02-01", "invoice_date": "2024-02-01", "account_ids": [(6, 0, self.customer.ids)]}
        )
        run.action_run()
        move = run.move_ids
        self.assertEqual(move.state, "posted")
        env["astpp.usage"].search([("exception", "=", "duplicate")]).action_release()
        move.button_cancel()
        self.assertEqual(self.customer.billed_until.month, 1)

    def test_other_company_sees_nothing(self):
        self.load_calls(self.customer, "1")
        other = self._create_company(name="Other company")
        user = new_test_user(
            self.env, login="other", groups="base.group_user,account.group_account_manager",
            company_id=other.id, company_ids=[(6, 0, other.ids)],
        )  # fmt: skip
        self.assertFalse(self.env["astpp.usage"].with_user(user).search([]))
        self.assertFalse(self.env["astpp.account"].with_user(user).search([]))
        with self.assertRaises(AccessError):
            self.customer.with_user(user).read(["number"])

    def test_portal_user_reads_his_invoice(self):
        """The fields that we add to invoices do not keep customers from reading them."""
        user = self.make_user("base.group_portal")
        self.customer.partner_id = user.partner_id
        self.load_calls(self.customer, "1")
        move = self.bill(self.customer).move_ids
        move.message_subscribe(user.partner_id.ids)
        readable = [name for name in move.with_user(user).fields_get() if name.startswith("astpp_")]
        self.assertNotIn("astpp_usage_count", readable)
        self.assertEqual(move.with_user(user).read(["name", *readable])[0]["name"], move.name)
        self.assertTrue(move.with_user(user)._astpp_destinations())
