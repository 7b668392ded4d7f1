import json
from secrets import token_hex

from odoo import http
from odoo.tests import HttpCase, new_test_user
from odoo.tools import SQL

from .common import AstppCommon

# "nobody" is not signed in. The others are a branch of the tree (parent > reseller > child, customer below the
# reseller), a customer of the operator (stranger), and a reseller of another branch (other).
ACTORS = ("nobody", "stranger", "other", "child", "parent", "reseller", "customer")
# Columns that any request may change.
NOISE = {"write_date", "write_uid", "login_date"}
TABLES = ("account_move", "account_move_line", "account_payment", "account_journal", "res_partner", "res_company",
          "res_users", "sale_order", "sale_order_line", "payment_provider", "product_template",
          "ir_attachment", "mail_activity")  # fmt: skip


class PortalWalkCommon(AstppCommon, HttpCase):
    """Six users and a visitor in one ASTPP, each user with calls, numbers and documents that carry their name."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.parent = cls.make_account("Parent Inc", account_type="reseller", number="NP0001")
        cls.parent_issuer = cls.make_issuer(cls.parent, name="Parent Telecom", prefix="PX-")
        cls.reseller.write({"parent_id": cls.parent.id, "number": "NR0001"})
        cls.reseller_issuer.write({"name": "Reseller Telecom", "prefix": "RX-"})
        cls.child = cls.make_account("Child Inc", account_type="reseller", parent_id=cls.reseller.id, number="NC0001")
        cls.child_issuer = cls.make_issuer(cls.child, name="Child Telecom", prefix="CX-")
        cls.child_customer = cls.make_account("Grandchild Inc", parent_id=cls.child.id, number="NG0001")
        cls.other = cls.make_account("Other Inc", account_type="reseller", number="NO0001")
        cls.other_issuer = cls.make_issuer(cls.other, name="Other Telecom", prefix="OX-")
        cls.other_customer = cls.make_account("Elsewhere Inc", parent_id=cls.other.id, number="NE0001")
        cls.stranger, cls.owner = cls.customer, cls.reseller_customer
        cls.stranger.partner_id.name, cls.owner.partner_id.name = "Stranger Inc", "Owner Inc"
        cls.stranger.number, cls.owner.number = "NS0001", "NK0001"
        cls.accounts = {
            "stranger": cls.stranger, "other": cls.other, "child": cls.child, "parent": cls.parent,
            "reseller": cls.reseller, "customer": cls.owner, "grandchild": cls.child_customer,
            "elsewhere": cls.other_customer,
        }  # fmt: skip
        for name in ACTORS[1:]:
            user = new_test_user(cls.env, login=f"walk.{name}", password=f"walk.{name}", groups="base.group_portal")
            user.partner_id.parent_id = cls.accounts[name].partner_id
        cls.load(
            *(
                cls.row(account, callednum=f"99{number}000{number}", debit=f"{number}13.37")
                for number, account in enumerate(cls.accounts.values(), 1)
            )
        )
        run = cls.bill(cls, *cls.accounts.values())
        cls.moves = {
            name: run.move_ids.filtered(lambda m, a=a: m.astpp_account_id == a) for name, a in cls.accounts.items()
        }
        cls.secrets = list(cls._make_secrets())

    @classmethod
    def _make_secrets(cls):
        """Yield (text, actors who may see it)."""
        above = {"stranger": (), "other": (), "child": ("reseller", "parent"), "parent": (), "reseller": ("parent",),
                 "customer": ("reseller", "parent"), "grandchild": ("child", "reseller", "parent"),
                 "elsewhere": ("other",)}  # fmt: skip
        for number, (name, account) in enumerate(cls.accounts.items(), 1):
            for text in (account.number, f"99{number}000{number}", f"{number}13.37"):
                yield text, {name, *above[name]}
            # A document is visible to its customer and its issuer, but not to resellers above them.
            move = cls.moves[name]
            issuer = next((n for n, a in cls.accounts.items() if a == move.astpp_issuer_id.account_id), None)
            for text in (move.name, f"{move.amount_total:.2f}", move.access_token or move._portal_ensure_token()):
                yield text, {name, issuer}

    def sign_in(self, actor):
        """Send the following requests as this actor."""
        self.actor = actor
        self.authenticate(*(None, None) if actor == "nobody" else (f"walk.{actor}", f"walk.{actor}"))

    def post(self, url, data=None, files=None, token=True):
        """Post a form as its page does: with the session's CSRF token and a form token of its own."""
        data = ({"csrf_token": http.Request.csrf_token(self)} if token else {}) | {"once": token_hex(16)} | (data or {})
        return self.url_open(url, data=data, files=files, method="POST", allow_redirects=False)

    def get(self, url):
        return self.url_open(url, allow_redirects=False)

    def rpc(self, model, method, *args, **kwargs):
        """Call a method as the web client does; return (result, name of the error)."""
        params = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        answer = self.opener.post(
            f"{self.base_url()}/web/dataset/call_kw", json={"jsonrpc": "2.0", "method": "call", "params": params}
        ).json()
        return answer.get("result"), answer.get("error", {}).get("data", {}).get("name")

    @staticmethod
    def outcome(response):
        """Return "login", "away" (redirected elsewhere) or the status of a response."""
        if response.status_code in (301, 302, 303):
            return "login" if "/web/login" in response.headers["Location"] else "away"
        return response.status_code

    def assertNoSecrets(self, text, message=None):
        """The text contains nothing that this actor may not see."""
        for secret, allowed in self.secrets:
            if self.actor not in allowed:
                self.assertNotIn(secret, text, (self.actor, message))

    def rows(self):
        """Return everything that the walk could change: {(table, id): {column: value}}."""
        self.env.flush_all()
        self.env.cr.execute("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'astpp\\_%%'")
        rows = {}
        for table in (*TABLES, *(name for (name,) in self.env.cr.fetchall())):
            self.env.cr.execute(SQL("SELECT to_jsonb(t) FROM %s t", SQL.identifier(table)))
            for number, (row,) in enumerate(self.env.cr.fetchall()):
                rows[table, row.get("id", number)] = row
        return rows

    def changes(self, before):
        """Return {table: {columns that changed}} since ``before``; added and removed rows are ``+`` and ``-``."""
        after, found = self.rows(), {}
        for key in before.keys() | after.keys():
            old, new = before.get(key), after.get(key)
            if old is None or new is None:
                names = {"+" if old is None else "-"}
            else:
                names = {name for name in old if json.dumps(old[name]) != json.dumps(new[name])} - NOISE
            if names:
                found.setdefault(key[0], set()).update(names)
        return found
