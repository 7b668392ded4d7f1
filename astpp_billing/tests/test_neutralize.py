from odoo.tests import tagged
from odoo.tools import file_open

from .common import AstppCommon


@tagged("post_install", "-at_install")
class TestNeutralize(AstppCommon):
    """A neutralized copy of the database does not touch the switch."""

    def test_copy_reads_and_writes_nothing(self):
        """All of a server's switches are off, including any that are added later."""
        switches = [
            name
            for name, field in self.env["astpp.server"]._fields.items()
            if field.type == "boolean" and (name.startswith("write_") or name == "sync_enabled")
        ]
        self.assertIn("write_invoicing", switches)
        values = dict.fromkeys(switches, True) | {"host": "astpp.example.com", "password": "secret"}
        self.server._astpp_own().write(values | {"sync_state": "running"})
        self.env.flush_all()
        with file_open("astpp_billing/data/neutralize.sql") as file:
            self.env.cr.execute(file.read())
        self.env.invalidate_all()
        self.assertEqual([name for name in switches if self.server[name]], [])
        self.assertEqual((self.server.sync_state, self.server.password), ("never", False))
