import inspect
import json
import logging

from odoo import fields
from odoo.exceptions import AccessError, MissingError, RedirectWarning, UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL, mute_logger

from .common import AstppCommon

_logger = logging.getLogger(__name__)

REFUSED = (AccessError, MissingError, UserError, ValidationError, RedirectWarning)
ROLES = (
    "account.group_account_readonly",
    "account.group_account_invoice",
    "account.group_account_manager",
    "sales_team.group_sale_salesman",
)
# Shared by all companies: close reasons are mere texts.
SHARED = {"astpp.close.reason"}
# Our methods on Odoo's models that reveal nothing about anybody.
OURS = "odoo.addons.astpp_billing."


@tagged("post_install", "-at_install")
class TestAccessWalk(AstppCommon):
    """Try every model, role, method and field as the operator, an unrelated company, and a reseller's own company.

    All comes from the registry: a new model needs a record here; new fields and methods are tried automatically.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.unrelated = cls.setup_other_company(name="Unrelated Ltd")["company"]
        cls.own = cls.setup_other_company(name="Reseller Ltd")["company"]
        cls.reseller_issuer.sudo().write({"company_id": cls.own.id, "journal_id": False, "clearing_account_id": False})
        env = cls.env(su=True)
        cls.records = cls.make_records(env, env.company)
        cls.theirs = cls.make_records(env(context={"allowed_company_ids": cls.unrelated.ids}), cls.unrelated)
        cls.users = {
            (company, role): new_test_user(
                cls.env(su=True), login=f"{company.name} {role}", groups=f"base.group_user,{role}", company_id=company.id,
                company_ids=[(6, 0, company.ids)],
            )
            for company in (cls.unrelated, cls.own)
            for role in ROLES
        }  # fmt: skip
        cls.env.flush_all()

    @classmethod
    def make_records(cls, env, company):  # noqa: PLR0915  (one statement a model)
        """Return {model: a record of this company} with one record of each of our models."""
        env = env(context={**env.context, "allowed_company_ids": company.ids})
        made, now = {}, fields.Datetime.now()

        def make(model, **values):
            made[model] = env[model].create(values)
            return made[model].id

        partner = env["res.partner"].create({"name": f"Customer of {company.name}"}).id
        product = env["product.product"].create({"name": "P", "type": "service", "astpp_type": "package"})
        server = make("astpp.server", name=f"S {company.name}", company_id=company.id)
        reseller = env["astpp.account"].create(
            {"server_id": server, "number": "WR", "partner_id": partner, "account_type": "reseller"}
        )
        account = make("astpp.account", server_id=server, number="W1", partner_id=partner, parent_id=reseller.id)
        made["astpp.account.term"] = made["astpp.account"].term_ids[:1]
        prepaid = (
            env["astpp.account"]
            .create({"server_id": server, "number": "W2", "partner_id": partner, "payment_mode": "prepaid"})
            .id
        )
        issuer = make("astpp.issuer", name="I", account_id=reseller.id, company_id=company.id, prefix=f"W{company.id}-")
        make("astpp.usage", account_id=account, amount=5)
        made["astpp.usage.total"] = made["astpp.usage"].total_id
        made["astpp.usage.day"] = env["astpp.usage.day"].search([("account_id", "=", account)])
        make("astpp.usage.import", server_id=server)
        run = make("astpp.billing.run", company_id=company.id)
        make("astpp.billing.result", run_id=run, account_id=account, state="nothing")
        make("astpp.billing.preview", run_id=run, account_id=account, outcome="6_not_due")
        make("astpp.sync.step", server_id=server, step="accounts")
        make("astpp.sync.slice", server_id=server, source="cdr", start=now)
        make("astpp.tax", server_id=server, name="T", astpp_id=1)
        did = make("astpp.did", server_id=server, number="4420999")
        subscription = make("astpp.subscription", account_id=account, product_id=product.id, price=7)
        made["astpp.subscription.line"] = made["astpp.subscription"].line_ids
        make("astpp.allowance", subscription_id=subscription, period_start=now)
        make("astpp.did.assignment", did_id=did, account_id=account)
        make("astpp.coupon", server_id=server, number="12345678", amount=5, currency_id=company.currency_id.id)
        make("astpp.payment", server_id=server, account_id=account, astpp_id=1)
        make("astpp.reconciliation", server_id=server, company_id=company.id, source="cdr", day=now.date())
        make("astpp.violation", company_id=company.id, kind="other_sum")
        make("astpp.destination", product_tmpl_id=product.product_tmpl_id.id, prefix="44")
        product.company_id = company
        make("astpp.close.reason", name="R")
        make("astpp.notice", subscription_id=subscription, kind="renewed", date=now)
        outbox = make("astpp.outbox", server_id=server, account_id=account, kind="credit", key="k", amount=1)
        make("astpp.portal.act", user_id=env.uid, who="W", kind="send")
        make("astpp.outbox.difference", server_id=server, kind="entry", cause="astpp")
        make("astpp.outbox.preview", outbox_id=outbox)
        make("astpp.outbox.skip", outbox_ids=[(6, 0, [outbox])], reason="r")
        journal = env["account.journal"].create(
            {"name": "W", "code": "WALK", "type": "general", "company_id": company.id}
        )
        invoice = env["account.move"].create({"move_type": "entry", "journal_id": journal.id})
        opening = make(
            "astpp.opening", server_id=server, account_id=account, issuer_id=issuer, kind="invoice", astpp_id=1,
            name="INV", amount=5,
        )  # fmt: skip
        make("astpp.opening.enter", opening_ids=[(6, 0, [opening])])
        make("astpp.dispute", move_id=invoice.id, reason="r")
        make("astpp.usage.credit", usage_ids=[(6, 0, made["astpp.usage"].ids)], reason="r")
        make("astpp.topup", account_id=prepaid, amount=5)
        make("astpp.settlement", issuer_id=issuer)
        make("astpp.subscription.close", subscription_ids=[(6, 0, [subscription])])
        make("astpp.subscription.change", subscription_id=subscription)
        make("astpp.subscription.explain", subscription_id=subscription, first_day=now.date())
        change = make("astpp.price.change", product_id=product.id)
        # Its lines are computed, and replaced when that happens again.
        env.flush_all()
        make("astpp.price.change.line", change_id=change, subscription_id=subscription, new_price=1)
        make("astpp.coupon.redeem", account_id=prepaid, number="1")
        make("astpp.coupon.generate", server_id=server, amount=1)
        make("astpp.recognition", issuer_ids=[(6, 0, [issuer])])
        return made

    def models(self):
        return [name for name, model in self.env.items() if name.startswith("astpp.") and not model._abstract]

    def rows(self):
        """Return all rows of our tables and of Odoo's accounting, as text."""
        self.env.flush_all()
        self.env.cr.execute("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'astpp\\_%%'")
        tables = ["account_move", "account_move_line", *(name for (name,) in self.env.cr.fetchall())]
        rows = {}
        for table in tables:
            self.env.cr.execute(SQL("SELECT to_jsonb(t) FROM %s t", SQL.identifier(table)))
            rows[table] = sorted(json.dumps(row, sort_keys=True) for (row,) in self.env.cr.fetchall())
        return rows

    def attempt(self, action):
        """Run an action in a savepoint that is rolled back; return the error's name, or None if it was allowed."""
        try:
            with mute_logger("odoo.sql_db", "odoo.models.unlink"), self.env.cr.savepoint() as savepoint:
                action()
                self.env.flush_all()
                savepoint.rollback()
            return None
        except REFUSED as error:
            return type(error).__name__
        finally:
            self.env.invalidate_all()

    def methods(self, model):
        """Yield the names of our public methods that need no arguments besides the records."""
        names = set()
        for base in type(model).mro():
            if base.__module__.startswith(OURS):
                names |= {name for name, value in vars(base).items() if inspect.isfunction(value) and name[0] != "_"}
        for name in sorted(names - {"create", "write", "copy", "unlink", "copy_data", "onchange", "ingest", "ours"}):
            parameters = list(inspect.signature(getattr(model, name)).parameters.values())
            if not [
                each for each in parameters if each.default is each.empty and each.kind == each.POSITIONAL_OR_KEYWORD
            ]:
                yield name

    def test_every_model_has_a_record_here(self):
        self.assertEqual(set(self.models()) - self.records.keys(), set(), "make a record of each model")

    def test_other_companies_records_are_out_of_reach(self):
        """Reading, fields, methods, deleting and copying are refused, or change nothing."""
        tried, wrong = 0, []
        before = self.rows()
        for (company, role), user in self.users.items():
            for name in self.models():
                if name in SHARED:
                    continue
                record = self.records[name].with_user(user).with_context(allowed_company_ids=company.ids)
                actions = {
                    "read": lambda r=record: r.read([r._rec_name or "id"]),
                    "unlink": lambda r=record: r.unlink(),
                    "copy": lambda r=record: r.copy(),
                }
                for field, value in self.values_of(self.records[name], record).items():
                    actions[f"write {field}"] = lambda r=record, f=field, v=value: r.write({f: v})
                for method in self.methods(record):
                    actions[method] = lambda r=record, m=method: getattr(r, m)()
                for action, do in actions.items():
                    tried += 1
                    is_link = action in self.methods(record) and action.startswith(("action_view", "get_import"))
                    if not self.attempt(do) and not is_link and record.with_user(user).exists():
                        wrong.append((company.name, role, name, action))
            found = [
                name for name in self.models()
                if name not in SHARED and self.env[name].with_user(user).has_access("read")
                and self.env[name].with_user(user).search([("id", "in", self.records[name].ids)])
            ]  # fmt: skip
            self.assertFalse(found, (company.name, role))
        self.assertFalse(wrong)
        self.assertEqual(self.rows(), before)
        _logger.info("%s ways to records of another company were tried", tried)
        self.assertGreater(tried, 3000)

    def values_of(self, record, seen):
        """Return the record's values as a user would write them who sees it as ``seen``."""
        values = {}
        for name, field in record._fields.items():
            if self.writable(seen, name):
                value = record.sudo()[name]
                many = field.type in ("one2many", "many2many")
                values[name] = [(6, 0, value.ids)] if many else value.id if field.type == "many2one" else value
        return values

    def writable(self, record, name):
        field = record._fields[name]
        return (
            field.store
            and name not in ("id", "create_uid", "create_date", "write_uid", "write_date", "parent_path")
            and (not field.groups or record.env.user.has_groups(field.groups))
        )

    def test_own_records_cannot_refer_to_other_companies(self):
        """No field of an own record accepts another company's record, or a value that only our methods may write."""
        tried, wrong = 0, []
        for role in ("account.group_account_invoice", "account.group_account_manager"):
            user = self.users[self.unrelated, role]
            for name in self.models():
                mine = self.theirs[name].with_user(user).with_context(allowed_company_ids=self.unrelated.ids)
                if not mine.has_access("write"):
                    continue
                for field in mine._fields.values():
                    if not self.writable(mine, field.name):
                        continue
                    foreign = self.records.get(field.comodel_name)
                    if field.comodel_name == "res.company":
                        foreign = self.env.company
                    if field.readonly:
                        value = self.theirs[name].sudo()[field.name]
                        value = value.id if field.type == "many2one" else value
                        tried += 1
                        if not field.relational and not self.attempt(
                            lambda m=mine, f=field, v=value: m.write({f.name: v})
                        ):
                            wrong.append((role, name, field.name, "readonly"))
                    if foreign and field.comodel_name not in SHARED:
                        many = field.type in ("one2many", "many2many")
                        value = [(4, foreign.id)] if many else foreign.id
                        tried += 1
                        if not self.attempt(lambda m=mine, f=field, v=value: m.write({f.name: v})):
                            wrong.append((role, name, field.name, "foreign"))
        self.assertFalse(wrong)
        _logger.info("%s ways to point own records elsewhere were tried", tried)
        self.assertGreater(tried, 300)

    def test_reseller_company_only_changes_how_it_invoices(self):
        """On accounts that a reseller's own company invoices, it may only change how it invoices."""
        user = self.users[self.own, "account.group_account_manager"]
        account = self.reseller_customer.with_user(user).with_context(allowed_company_ids=self.own.ids)
        account.write({"invoice_mode": "draft", "billing_day": 5})
        for values in (
            {"astpp_id": 31337}, {"credit_limit": 1000}, {"status": "suspended"}, {"number": "X"}, {"parent_id": False},
            {"payment_mode": "prepaid"}, {"server_id": self.theirs["astpp.server"].id}, {"partner_id": user.partner_id.id},
        ):  # fmt: skip
            with self.subTest(values):
                self.assertTrue(self.attempt(lambda v=values: account.write(v)))
        for action in (account.unlink, account.copy, lambda: account.server_id.with_user(user).read(["host"])):
            self.assertEqual(self.attempt(action), "AccessError")
        self.assertTrue(
            self.attempt(
                lambda: account.create({"server_id": self.server.id, "number": "NEW", "partner_id": user.partner_id.id})
            )
        )

    def test_nobody_makes_themselves_a_resellers_issuer(self):
        user = self.users[self.unrelated, "account.group_account_manager"]
        reseller = self.make_account("Another Reseller", account_type="reseller")
        issuers = self.env["astpp.issuer"].with_user(user).with_context(allowed_company_ids=self.unrelated.ids)
        values = {"name": "Mine", "account_id": reseller.id, "company_id": self.unrelated.id, "prefix": "MINE-"}
        self.assertEqual(self.attempt(lambda: issuers.create(values)), "AccessError")

    def test_forms_read_only_permitted_records(self):
        """Wizards and new records compute their fields only from records that the user may read."""
        user = self.users[self.unrelated, "account.group_account_manager"]
        tried = 0
        for name in self.models():
            model = self.env[name].with_user(user).with_context(allowed_company_ids=self.unrelated.ids)
            if not model.has_access("create"):
                continue
            for field in model._fields.values():
                foreign = self.records.get(field.comodel_name)
                if field.type != "many2one" or not foreign or field.comodel_name in SHARED:
                    continue
                tried += 1
                spec = {each: {} for each in model._fields if not model._fields[each].relational}
                with self.subTest(model=name, field=field.name):
                    error = self.attempt(
                        lambda m=model, f=field, s=spec, r=foreign: m.onchange(
                            {f.name: r.id}, [f.name], {f.name: {}, **s}
                        )
                    )
                    self.assertEqual(error, "AccessError")
        self.assertGreater(tried, 20)

    def test_billing_fields_of_documents_are_readonly(self):
        """The fields that prove what was billed are readonly on invoices and their lines too."""
        self.load_calls(self.customer, "5")
        move = self.bill(self.customer).move_ids
        other = self.make_account("Other")
        for values in (
            {"astpp_usage_released": True}, {"astpp_run_id": False}, {"astpp_rate": 2}, {"astpp_account_id": other.id},
            {"astpp_issuer_id": False}, {"astpp_settlement_id": 1}, {"astpp_series": "X"},
            {"invoice_line_ids": [(1, move.invoice_line_ids.id, {"astpp_usage_amount": 1})]},
        ):  # fmt: skip
            with self.subTest(values):
                self.assertIn(self.attempt(lambda v=values: move.write(v)), ("AccessError", "UserError"))
        with self.subTest("create"):
            vals = {"move_type": "out_invoice", "partner_id": other.partner_id.id, "astpp_run_id": move.astpp_run_id.id}
            self.assertEqual(self.attempt(lambda: self.env["account.move"].create(vals)), "AccessError")
            self.assertEqual(self.attempt(lambda: move.copy({"astpp_is_refill": True})), "AccessError")
        # Even with a context that any client could send.
        self.assertTrue(self.attempt(lambda: move.with_context(astpp_own=True).write({"astpp_usage_released": True})))

    def test_only_managers_read_coupon_numbers(self):
        coupon = self.env["astpp.coupon"]._generate(
            1, 12, {"server_id": self.server.id, "amount": 5, "currency_id": self.server.currency_id.id, "batch": "B"}
        )
        number = coupon.number
        for role in ROLES[:2]:
            user = new_test_user(
                self.env(su=True), login=f"coupon {role}", groups=f"base.group_user,{role}",
                company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
            )  # fmt: skip
            seen = coupon.with_user(user)
            self.assertEqual(self.attempt(lambda s=seen: s.read(["number"])), "AccessError")
            self.assertEqual(self.attempt(lambda s=seen: s.search([("number", "=like", "1%")])), "AccessError")
            self.assertEqual(seen.display_name, f"…{number[-4:]}")
            self.assertNotIn(number, str(seen.read()))

    def test_readonly_accountants_start_nothing(self):
        user = new_test_user(
            self.env(su=True), login="reader", groups="base.group_user,account.group_account_readonly",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        self.assertEqual(self.attempt(self.env["astpp.violation"].with_user(user).action_check), "AccessError")
        notice = self.records["astpp.notice"].with_user(user)
        self.assertEqual(self.attempt(notice.action_retry), "AccessError")

    def test_salesmans_order_names_its_customers_account(self):
        vals = {"partner_id": self.customer.partner_id.id, "astpp_account_id": self.reseller_customer.id}
        self.assertEqual(self.attempt(lambda: self.env["sale.order"].sudo().create(vals)), "ValidationError")
