import os
import time
from contextlib import contextmanager

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import config
from odoo.tools.misc import str2bool

from ...connector.database import ConnectorError, Database, Settings, is_local
from ...connector.schema import check
from ...connector.writer import Writer
from ..astpp_guard_mixin import ours

# The password is valid for these values only: they decide where it is sent, for which user, and how well encrypted.
ADDRESS = ("host", "port", "database", "user", "tls", "ca_file")
# Seconds after which the connection test ends, whatever the other side does.
TEST = 18


class AstppServer(models.Model):
    """The connection to the server's ASTPP database."""

    _inherit = "astpp.server"

    host = fields.Char(
        tracking=True, help="Host name or address of ASTPP's MariaDB or MySQL. Empty: files and API only."
    )
    port = fields.Integer(default=3306, tracking=True)
    database = fields.Char(default="astpp", tracking=True)
    user = fields.Char(string="Database User", tracking=True, help="A user that may only read will do.")
    # Readable by system administrators only; neither tracked nor logged.
    password = fields.Char(
        copy=False, groups="base.group_system", help="Goes when the address, the user or the encryption changes."
    )
    password_source = fields.Char(
        compute="_compute_password_source", groups="account.group_account_manager,base.group_system"
    )
    tls = fields.Selection(
        [("off", "Not encrypted"), ("on", "Encrypted"), ("verify", "Encrypted, certificate checked")],
        string="Encryption",
        compute="_compute_tls",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        tracking=True,
        help="Without a look at the certificate, whoever is in between can answer in the database's place.",
    )
    ca_file = fields.Char(
        string="CA File", tracking=True, help="Path on the Odoo server. Empty: the system's certificate authorities."
    )
    check_report = fields.Text(string="Last Test", readonly=True, copy=False)
    check_date = fields.Datetime(readonly=True, copy=False)
    check_state = fields.Selection(
        [("ok", "Ready"), ("warning", "Ready, with Warnings"), ("error", "Not Ready")], readonly=True, copy=False
    )

    @api.depends("host")
    def _compute_tls(self):
        """Default to verified TLS for remote hosts; turning it off holds only until the host changes."""
        for server in self:
            server.tls = server.tls or "off"
            if server.tls == "off" and not is_local(server.host):
                server.tls = "verify"

    @api.onchange(*ADDRESS)
    def _onchange_address(self):
        """Empty the password when the address changes, so that the user sees that it must be entered again."""
        if self._origin and self.env.user.has_group("base.group_system"):
            self.password = False

    @api.depends("host", "port")
    def _compute_password_source(self):
        for server in self:
            password, name, is_for_this = server._outside_password()
            if not password:
                server.password_source = False
            elif is_for_this:
                server.password_source = name
            else:
                server.password_source = self.env._("%s, which is for another address", name)

    def _outside_password(self):
        """Return the server's password from the environment or the configuration file.

        Both must also name the address that the password is for, as ``ASTPP_HOST_1`` or ``astpp_host_1`` for the server
        with ID 1, because users may change a server's address. The password is not used for any other address.

        :return: (password, description of its source, whether it is for the server's address)
        """
        self.ensure_one()
        for prefix, value, told in (
            ("ASTPP", os.environ.get, self.env._("from the environment variable %s")),
            ("astpp", config.get, self.env._("from the option %s of the configuration file")),
        ):
            words = ("PASSWORD", "HOST") if prefix.isupper() else ("password", "host")
            key, address = (f"{prefix}_{word}_{self.id}" for word in words)
            if password := value(key):
                return password, told % key, self._is_address(value(address))
        return "", "", False

    def _is_address(self, text):
        """Tell whether a text, ``host`` or ``host:port``, is the address of this server."""
        host = (self.host or "").strip().lower()
        addresses = {f"{host}:{self.port}"} | ({host} if self.port == 3306 else set())
        return bool(host) and (text or "").strip().lower() in addresses

    @api.model_create_multi
    def create(self, vals_list):
        """Create servers; only system administrators may create one with a connection.

        :raise AccessError: for other users
        """
        servers = super().create(vals_list)
        # Checked after creation, because defaults may come from the context.
        if any(server.host or server.ca_file or server.sudo().password for server in servers):
            servers._check_keeper()
        return servers

    @contextmanager
    def _guard_connection(self, vals):
        """Write in the body of this context manager: when address, user or encryption change, the password is deleted.

        :raise AccessError: when someone other than a system administrator of the server's company changes a connection
        """
        if not vals.keys() & {*ADDRESS, "password"}:
            yield
            return
        before = {server: server._address() for server in self}
        if "password" in vals or any(server._address(vals) != before[server] for server in self):
            self._check_keeper()
        yield
        if "password" not in vals:
            # sudo: whoever may change the address may delete the password, even without access to it.
            self.filtered(lambda server: server._address() != before[server]).sudo().password = False

    def _address(self, vals=()):
        """Return what the password is valid for, with ``vals`` in place of the server's own values."""
        self.ensure_one()
        return tuple((vals[name] if name in vals else self[name]) or False for name in ADDRESS)

    def _check_keeper(self):
        """Refuse users other than system administrators of the server's company."""
        if self.env.su:
            return
        if not self.env.user.has_group("base.group_system") or self.company_id - self.env.companies:
            raise AccessError(
                self.env._(
                    "Only system administrators of its company may set how an ASTPP database is reached: host, port, "
                    "database, user, password and encryption."
                )
            )

    def _settings(self):
        """Return the connector's ``Settings``.

        :raise UserError: when host, database or user is missing, or the password is for another address
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
        password, name, is_for_this = self._outside_password()
        if password and not is_for_this:
            raise UserError(
                self.env._(
                    "The password comes %(name)s, and nothing says that it is for %(host)s:%(port)s. Name this address "
                    "beside it, as ASTPP_HOST_%(id)s in the environment or astpp_host_%(id)s in the configuration file.",
                    name=name,
                    host=self.host,
                    port=self.port,
                    id=self.id,
                )
            )
        return Settings(
            host=self.host.strip(),
            port=self.port,
            database=self.database.strip(),
            user=self.user.strip(),
            # sudo: whoever may connect need not be allowed to read the password.
            password=password or self.sudo().password or "",
            tls=self.tls,
            ca_file=self.ca_file or "",
        )

    def _open(self, deadline=None):
        """Return the ASTPP database as a context manager.

        :param deadline: value of ``time.monotonic`` at which everything must end; None for no limit
        :raise UserError: when the connection is not set up, or this is a neutralized copy
        """
        if str2bool(self.env["ir.config_parameter"].sudo().get_param("database.is_neutralized", False)):
            raise UserError(self.env._("This is a neutralized copy of the database: it does not connect to ASTPP."))
        return Database(self._settings(), deadline)

    def _open_writer(self):
        """Return the ASTPP database for writing, as a context manager.

        :raise UserError: as for ``_open``
        """
        self._open()
        return Writer(self._settings())

    @ours
    def action_test_connection(self):
        """Check connection, schema, privileges and ASTPP's own crons, and store the report; ends within 20 seconds."""
        self.ensure_one()
        self.check_access("write")
        if not self.env.su and self.company_id - self.env.companies:
            raise AccessError(self.env._("This ASTPP server belongs to another company."))
        deadline = time.monotonic() + TEST
        try:
            with self._open(deadline) as database:
                findings = check(database)
            order = ("error", "warning", "ok")
            findings = sorted(
                self._check_writing(deadline) + self._check_renewals() + findings,
                key=lambda finding: order.index(finding.level),
            )
            state = findings[0].level
            marks = {"ok": "✓", "warning": "!", "error": "✗"}
            report = "\n".join(f"{marks[finding.level]} {finding.text}" for finding in findings)
        except ConnectorError as error:
            state, report = "error", f"✗ {error}"
        self.write({"check_report": report, "check_state": state, "check_date": fields.Datetime.now()})
        return self._tell_test(state, report)

    def _tell_test(self, state, report):
        """Show the result as a notification; the full report is on the form, below the settings."""
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
        """Return the reason why a synchronisation failed, in words and without secrets."""
        return str(error) if isinstance(error, (ConnectorError, UserError)) else f"{type(error).__name__}: {error}"
