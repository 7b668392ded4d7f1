import inspect
from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .portal_walk_common import ACTORS, PortalWalkCommon

ACCESS, MISSING = "odoo.exceptions.AccessError", "odoo.exceptions.MissingError"
EXPIRED = "odoo.http.SessionExpiredException"
# Users without the right to export get this error for any record; creating usage by hand is refused to everybody.
EXTRA = dict.fromkeys(("export_data", "create"), "odoo.exceptions.UserError")
OURS = "odoo.addons.astpp_billing."
# Odoo's models that hold names of accounts, customers and documents.
DOCUMENTS = ("account.move", "account.move.line", "account.payment", "sale.order", "res.partner", "ir.attachment",
             "account.journal", "mail.message", "mail.mail", "payment.transaction", "res.users", "res.company",
             "payment.provider", "product.product", "product.pricelist.item", "mail.activity")  # fmt: skip


@tagged("post_install", "-at_install")
class TestPortalWalkRpc(PortalWalkCommon):
    """What the web client and the API can reach: nothing of our models, and only one's own documents of Odoo's."""

    def our_models(self):
        """Return the names of all our models that have a table, from the registry."""
        return [model for name, model in self.env.items() if name.startswith("astpp.") and not model._abstract]

    def calls(self, model, ids):
        """Yield (method, arguments) of the usual ways to access a model."""
        yield from (("search_read", ([],)), ("formatted_read_group", ([], [], ["__count"])))
        yield from (("read", (ids, ["display_name"])), ("export_data", (ids, ["id"])))
        yield from (("create", ([{"company_id": 1}],)), ("write", (ids, {"create_uid": 1})), ("unlink", (ids,)))
        if self.actor not in ("nobody", "reseller"):
            return
        yield from (("search_count", ([],)), ("name_search", ()), ("web_search_read", ([], {})))
        yield from (("web_read", (ids, {"display_name": {}})), ("copy", (ids,)))
        if "message_ids" in model._fields and model.browse(ids).exists():
            yield from (("message_post", (ids,)), ("message_subscribe", (ids, self.moves["customer"].partner_id.ids)))

    def our_methods(self):
        """Yield (model, method, arguments) of all our public methods, including those on Odoo's models."""
        for model in self.env.values():
            names = {
                (name, hasattr(method, "_api_model"))
                for cls in type(model).mro()
                if cls.__module__.startswith(OURS)
                for name, method in vars(cls).items()
                if not name.startswith("_") and inspect.isfunction(method) and name not in ("create", "write", "unlink")
            }
            if model._abstract or not names:
                continue
            ids = model.sudo().search([], limit=1).ids or [1]
            if model._name == "account.move":
                ids = self.moves["customer"].ids
            for name, on_model in sorted(names):
                needed = [
                    parameter
                    for parameter in list(inspect.signature(getattr(model, name)).parameters.values())
                    if parameter.default is parameter.empty and parameter.kind == parameter.POSITIONAL_OR_KEYWORD
                ]
                yield model._name, name, [*([] if on_model else [ids]), *([] for _parameter in needed)]

    def test_our_models_are_out_of_reach(self):
        for actor in ACTORS:
            self.sign_in(actor)
            before, wrong = self.rows(), []
            for model in self.our_models():
                known = model.search([], limit=1).ids
                for method, args in self.calls(model, known or [1]):
                    result, error = self.rpc(model._name, method, *args)
                    right = (
                        {EXPIRED} if actor == "nobody" else {ACCESS, EXTRA.get(method), ACCESS if known else MISSING}
                    )
                    if result is not None or error not in right:
                        wrong.append((model._name, method, result, error))
            self.assertFalse(wrong, actor)
            self.assertFalse(self.changes(before), actor)

    def test_our_methods(self):
        """Methods refuse to act on records that the user may not read; those that open a list show no records."""
        for actor in ("nobody", "stranger", "reseller", "customer"):
            self.sign_in(actor)
            before, wrong = self.rows(), []
            for model, method, args in self.our_methods():
                result, error = self.rpc(model, method, *args)
                if not error and not (method.startswith("action_") or method == "get_import_templates"):
                    wrong.append((model, method, result))
                self.assertNoSecrets(str(result), (model, method))
            self.assertFalse(wrong, actor)
            self.assertFalse(self.changes(before), actor)

    def test_odoos_models(self):
        """Nothing readable in Odoo's models, in our fields or theirs, reveals anything about others."""
        for actor in ACTORS[1:]:
            self.sign_in(actor)
            for name in DOCUMENTS:
                stored = [
                    field.name
                    for field in self.env[name]._fields.values()
                    if field.store and field.type not in ("binary", "one2many", "many2many")
                ]
                readable = self.rpc(name, "fields_get", stored, ["type"])[0] or {}
                result, error = self.rpc(name, "search_read", [], list(readable))
                self.assertNoSecrets(str(result), name)
                if name == "account.move":
                    self.assertFalse(error)
                    self.assertEqual([row["id"] for row in result], self.moves[actor].ids)

    def test_documents(self):
        """Users can only read their own documents, and do nothing else with any."""
        for actor in ACTORS:
            self.sign_in(actor)
            before, wrong = self.rows(), []
            for owner, move in self.moves.items():
                ids = move.ids
                calls = [("account.move", "read", ids, ["name"]), ("account.move", "write", ids, {"ref": "x"}),
                         ("account.move", "search_read", [("id", "in", ids)], ["name"]),
                         ("account.move.line", "read", move.line_ids.ids, ["name"])]  # fmt: skip
                if owner == "customer":
                    calls += [
                        ("account.move", method, ids)
                        for method in ("unlink", "copy", "button_draft", "button_cancel", "action_post")
                    ]
                    calls += [("account.move", "export_data", ids, ["name"]), ("account.move", "web_read", ids, {"name": {}}),
                              ("account.move.line", "write", move.line_ids.ids, {"price_unit": 0}),
                              ("account.move.line", "unlink", move.line_ids.ids)]  # fmt: skip
                for model, method, *args in calls:
                    result, error = self.rpc(model, method, *args)
                    own = actor == owner and method in ("read", "web_read", "search_read")
                    if own != bool(result) or (error is None and result is None):
                        wrong.append((owner, model, method, result, error))
            self.assertFalse(wrong, actor)
            self.assertFalse(self.changes(before), actor)

    def test_ways_through_own_documents(self):
        """An own invoice refers to account and issuer, but neither can be read through it."""
        for actor in ("customer", "reseller"):
            self.sign_in(actor)
            own = self.moves[actor].ids
            for path in ("astpp_account_id", "astpp_issuer_id", "astpp_run_id", "astpp_settlement_id"):
                comodel = self.env[self.env["account.move"]._fields[path].comodel_name]
                for name in ("create_date", "company_id.name", "create_uid.login"):
                    with self.subTest(actor=actor, path=path, name=name):
                        found = self.rpc("account.move", "search_read", [(f"{path}.{name}", "!=", False)], ["id"])
                        self.assertIn(found, (([], None), (None, ACCESS)))
                        grouped = self.rpc(
                            "account.move", "formatted_read_group", [], [f"{path}.create_uid"], ["__count"]
                        )
                        self.assertEqual(grouped[1] is None, False, grouped)
                spec = {path: {"fields": {name: {} for name in comodel._fields if name not in ("id", "display_name")}}}
                result, error = self.rpc("account.move", "web_read", own, spec)
                with self.subTest(actor=actor, path=path):
                    self.assertTrue(error or set(result[0][path] or {}) <= {"id", "display_name"}, result)
            walk = [("astpp_issuer_id.account_id.child_ids.number", "like", "N")]
            self.assertIn(self.rpc("account.move", "search_count", walk), ((0, None), (None, ACCESS)))
            walk = [("company_id.astpp_operator_ids.prefix", "like", "I")]
            self.assertIn(self.rpc("account.move", "search_count", walk), ((0, None), (None, ACCESS)))

    def ask(self, model, method, key, **body):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.opener.post(f"{self.base_url()}/json/2/{model}/{method}", json=body, headers=headers)

    def test_api_keys(self):
        """The same through the API: a key can do what its user can, and no more."""
        move = self.moves["customer"]
        for actor in ACTORS:
            self.sign_in("nobody")
            self.actor, key = actor, None
            if actor != "nobody":
                user = self.env["res.users"].search([("login", "=", f"walk.{actor}")])
                expires = fields.Datetime.now() + timedelta(hours=1)
                key = self.env["res.users.apikeys"].with_user(user).sudo()._generate("rpc", "walk", expires)
            before, wrong = self.rows(), []
            for model in self.our_models():
                known = model.search([], limit=1).ids
                ids = known or [1]
                calls = [("search_read", {"domain": []})]
                if actor in ("nobody", "reseller"):
                    calls += [
                        ("write", {"ids": ids, "vals": {"create_uid": 1}}),
                        ("read", {"ids": ids}),
                        ("create", {"vals_list": [{"company_id": 1}]}),
                        ("unlink", {"ids": ids}),
                    ]
                for method, body in calls:
                    status = self.ask(model._name, method, key, **body).status_code
                    if status not in (
                        {401} if actor == "nobody" else {403, 422 if method == "create" else 403 if known else 404}
                    ):
                        wrong.append((model._name, method, status))
            self.assertFalse(wrong, actor)
            rows = [self.row(self.owner)]
            self.assertIn(self.ask("astpp.usage", "ingest", key, rows=rows).status_code, (401, 403))
            for method, body in (("read", {"ids": move.ids, "fields": ["name"]}), ("search_read", {"domain": []})):
                answer = self.ask("account.move", method, key, **body | {"fields": ["name", "amount_total"]})
                self.assertNoSecrets(answer.text, method)
                self.assertEqual(move.name in answer.text, actor == "customer")
            self.assertFalse(self.changes(before), actor)
