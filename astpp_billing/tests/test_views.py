import ast
import re

from lxml import etree

from odoo.tests import tagged

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestViews(AstppCommon):
    """What the web client requests when it opens our menus."""

    def actions(self):
        data = (
            self.env["ir.model.data"]
            .sudo()
            .search([("module", "=", "astpp_billing"), ("model", "=", "ir.actions.act_window")])
        )
        return self.env["ir.actions.act_window"].browse(data.mapped("res_id"))

    def test_every_action_opens(self):
        self.load_calls(self.customer, "1")
        self.bill(self.customer)
        for action in self.actions():
            model = self.env[action.res_model]
            views = model.get_views([(False, mode) for mode in (*action.view_mode.split(","), "search")])["views"]
            for kind, view in views.items():
                with self.subTest(action=action.name, view=kind):
                    self._read(model, kind, etree.fromstring(view["arch"]))

    def _read(self, model, kind, arch):
        if kind in ("pivot", "graph"):
            groups = [
                f"{field.get('name')}:{field.get('interval')}" if field.get("interval") else field.get("name")
                for field in arch.iter("field")
                if field.get("type") != "measure"
            ]
            model.formatted_read_group([], groups, ["__count"])
        elif kind == "search" and not model._name.startswith("astpp."):
            pass  # Odoo's own filters
        elif kind == "search":
            for node in arch.iter("filter"):
                model.search(ast.literal_eval(node.get("domain") or "[]"), limit=1)
                if found := re.search(r"'group_by': '([^']+)'", node.get("context") or ""):
                    model.formatted_read_group([], [found[1]], ["__count"])
        else:
            fields = {field.get("name"): {} for field in arch.xpath("//field[not(ancestor::field)]")}
            model.search([], limit=2).web_read({name: {} for name in fields})

    def test_help_on_empty_screens(self):
        for action in self.actions():
            if action.res_model.startswith("astpp.") and "list" in action.view_mode:
                self.assertTrue(action.help, action.name)
