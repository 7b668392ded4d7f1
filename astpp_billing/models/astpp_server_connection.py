import os

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import config
from odoo.tools.misc import str2bool

from ..connector.database import ConnectorError, Database, Settings
from ..connector.schema import check
from ..connector.writer import Writer
from .astpp_guard_mixin import ours


class AstppServer(models.Model):
    """How to reach the server's ASTPP database."""

    _inherit = "astpp.server"

    host = fields.Char(
        tracking=True, help="Host name or address of ASTPP's MariaDB or MySQL. Empty: files and API only."
    )
    port = fields.Integer(default=3306, tracking=True)
    database = fields.Char(default="astpp", tracking=True)
    user = fields.Char(string="Database User", tracking=True, help="A user that may only read will do.")
    # Readable by system administrators alone, by nobody through tracking or logs.
    password = fields.Char(copy=False, groups="base.group_system")
    password_source = fields.Char(compute="_compute_password_source", groups="account.group_account_manager")
    tls = fields.Selection(
        [("off", "Not encrypted"), ("on", "Encrypted"), ("verify", "Encrypted, certificate checked")],
        string="Encryption",
        default="off",
        required=True,
        tracking=True,
    )
    ca_file = fields.Char(
        string="CA File", help="Path on the Odoo server. Empty: the system's certificate authorities."
    )
    check_report = fields.Text(string="Last Test", readonly=True, copy=False)
    check_date = fields.Datetime(readonly=True, copy=False)
    check_state = fields.Selection(
        [("ok", "Ready"), ("warning", "Ready, with Warnings"), ("error", "Not Ready")], readonly=True, copy=False
    )

    def _compute_password_source(self):
        for server in self:
            names = server._password_names()
            if os.environ.get(names[0]):
                server.password_source = self.env._("from the environment variable %s", names[0])
            elif config.get(names[1]):
                server.password_source = self.env._("from the option %s of the configuration file", names[1])
            else:
                server.password_source = False

    def _password_names(self):
        """Return the environment variable and the configuration option that may hold the password."""
        self.ensure_one()
        return f"ASTPP_PASSWORD_{self.id}", f"astpp_password_{self.id}"

    def _settings(self):
        """Return the connector's ``Settings``.

        :raise UserError: when host, database or user is missing
        """
        self.ensure_one()
        missing = [
            self._fields[name]._description_string(self.env)
            for name in ("host", "port", "database", "user")
            if not self[name]
        ]
        if missing:
            raise UserError(
                self.env._(
                    "%(server)s has no connection yet: %(fields)s missing.", server=self.name, fields=", ".join(missing)
                )
            )
        variable, option = self._password_names()
        return Settings(
            host=self.host.strip(),
            port=self.port,
            database=self.database.strip(),
            user=self.user.strip(),
            # Whoever may connect need not be able to read it.
            password=os.environ.get(variable) or config.get(option) or self.sudo().password or "",
            tls=self.tls,
            ca_file=self.ca_file or "",
        )

    def _open(self):
        """Return the ASTPP database, to be used as a context manager.

        :raise UserError: when the connection is not set up, or this is a copy for tests
        """
        if str2bool(self.env["ir.config_parameter"].sudo().get_param("database.is_neutralized", False)):
            raise UserError(self.env._("This is a neutralized copy of the database: it does not connect to ASTPP."))
        return Database(self._settings())

    def _open_writer(self):
        """Return the ASTPP database to be written to, as a context manager.

        :raise UserError: as ``_open``
        """
        self._open()
        return Writer(self._settings())

    @ours
    def action_test_connection(self):
        """Connect, check schema, privileges and ASTPP's own crons, and keep the report."""
        self.ensure_one()
        self.check_access("write")
        try:
            with self._open() as database:
                findings = check(database)
            order = ("error", "warning", "ok")
            findings = sorted(self._check_writing() + findings, key=lambda finding: order.index(finding.level))
            state = findings[0].level
            marks = {"ok": "✓", "warning": "!", "error": "✗"}
            report = "\n".join(f"{marks[finding.level]} {finding.text}" for finding in findings)
        except ConnectorError as error:
            state, report = "error", f"✗ {error}"
        self.write({"check_report": report, "check_state": state, "check_date": fields.Datetime.now()})
        return self._tell_test(state, report)

    def _tell_test(self, state, report):
        """Show how the test ended where one looks; the whole report is on the form, below the settings."""
        mark = {"ok": "✓ ", "warning": "! ", "error": "✗ "}[state]
        found = [line.removeprefix(mark) for line in report.splitlines() if line.startswith(mark)]
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": {"ok": "success", "error": "danger"}.get(state, state),
                "title": dict(self._fields["check_state"]._description_selection(self.env))[state],
                "message": " ".join(found),
                "sticky": state == "error",
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    @api.model
    def _explain(self, error):
        """Say in words why a synchronisation ended, without secrets."""
        return str(error) if isinstance(error, (ConnectorError, UserError)) else f"{type(error).__name__}: {error}"
