from collections import defaultdict
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError

from ...connector.balance import kept
from ...connector.changes import AccountSwitches, InvoicingOff, NumberOwner, NumberSwitch, OrderState
from ...connector.database import ConnectorError
from ...connector.written_rows import current_balances, current_values, written_keys
from ..ledger.usage_state import POSTPAID


class AstppOutboxDifference(models.Model):
    """A value that Odoo decides but ASTPP has otherwise, found by the last comparison."""

    _name = "astpp.outbox.difference"
    _description = "Difference from ASTPP"
    _log_access = False
    _order = "server_id, kind, account_id, id"

    server_id = fields.Many2one("astpp.server", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="server_id.company_id", store=True)
    account_id = fields.Many2one("astpp.account", readonly=True, ondelete="cascade")
    kind = fields.Selection(
        [
            ("entry", "Change Written"),
            ("balance", "Balance"),
            ("order", "Order"),
            ("did", "Number"),
            ("account", "Account's Settings"),
        ],
        required=True,
        readonly=True,
    )
    name = fields.Char(string="What", readonly=True)
    odoo_value = fields.Char(string="Odoo", readonly=True)
    astpp_value = fields.Char(string="ASTPP", readonly=True)
    amount = fields.Float(digits=(20, 5), readonly=True, help="How much of a balance's difference this explains.")
    cause = fields.Selection(
        [
            ("waiting", "Waits to be written"),
            ("failed", "Could not be written"),
            ("skipped", "Was skipped"),
            ("not_noted", "Written, not noted yet"),
            ("gone", "Written, and gone from ASTPP"),
            ("off", "Is not written back"),
            ("astpp", "Changed in ASTPP, or older than the synchronisation"),
        ],
        required=True,
        readonly=True,
    )
    date = fields.Datetime(string="Since", readonly=True, help="When it was found first.")

    @api.model
    def _compare(self, server):
        """Replace the server's list of differences by what is found now.

        :return: number of differences
        :raise UserError: when ASTPP cannot be read
        """
        for model in ("astpp.usage", "astpp.outbox", "astpp.account", "astpp.subscription", "astpp.did"):
            self.env[model].flush_model()
        try:
            with server._open() as database:
                found = [
                    *self._compare_entries(server, database),
                    *self._compare_balances(server, database),
                    *self._compare_orders(server, database),
                    *self._compare_numbers(server, database),
                    *self._compare_accounts(server, database),
                ]
        except ConnectorError as error:
            raise UserError(str(error)) from None
        now = fields.Datetime.now()
        # sudo: only the comparison may write the list, no user.
        differences = self.sudo()
        before = differences.search([("server_id", "=", server.id)])
        since = {(each.kind, each.account_id.id, each.name, each.cause): each.date for each in before}
        before.unlink()
        differences.create(
            [
                {
                    "server_id": server.id,
                    "date": since.get((values["kind"], values["account_id"], values["name"], values["cause"]), now),
                    **values,
                }
                for values in found
            ]
        )
        return len(found)

    def _compare_entries(self, server, database):
        """Compare applied changes: what Odoo has recorded as written must be in ASTPP, and vice versa."""
        outbox = self.env["astpp.outbox"]
        prefix = outbox._key_prefix()
        written = written_keys(database, prefix)
        entries = outbox.search([("server_id", "=", server.id), ("state", "not in", ("skipped", "off"))])
        for entry in entries:
            found = written.get(f"{prefix}{entry.id}")
            applied = entry.state == "applied"
            if applied == bool(found) and (not found or Decimal(found[1]) == kept(entry.amount)):
                continue
            yield {
                "kind": "entry",
                "account_id": entry.account_id.id,
                "name": entry.description,
                "odoo_value": f"{entry.amount:.5f}" if applied else False,
                "astpp_value": found[1] if found else False,
                "cause": "not_noted" if not applied else "astpp" if found else "gone",
            }

    def _compare_balances(self, server, database):
        """Compare the debt of postpaid accounts: their usage, less what was paid."""
        accounts = self._mirrored("astpp.account", server, [("payment_mode", "=", "postpaid")])
        domain = [("account_id", "in", accounts.ids)]
        usage = self.env["astpp.usage"]._read_group([*POSTPAID.domain, *domain], ["account_id"], ["amount:sum"])
        owed = defaultdict(float, dict(usage))
        queued = defaultdict(lambda: defaultdict(float))
        groups = self.env["astpp.outbox"]._read_group(domain, ["account_id", "kind", "state"], ["amount:sum"])
        for account, kind, state, amount in groups:
            queued[account][state] += amount
            # Charges are in the usage already.
            owed[account] -= amount if kind != "charge" else 0
        balances = current_balances(database, accounts.mapped("astpp_id"))
        for account in accounts.filtered(lambda account: account.astpp_id in balances):
            balance = float(balances[account.astpp_id].amount)
            rest = balance - owed[account]
            shares = {state: queued[account][state] for state in ("waiting", "failed", "skipped", "off")}
            shares["astpp"] = rest - sum(shares.values())
            for cause, amount in shares.items():
                if abs(amount) >= 0.000005:
                    yield {
                        "kind": "balance",
                        "account_id": account.id,
                        "name": self.env._("Balance: what is owed"),
                        "amount": amount,
                        "odoo_value": f"{owed[account]:.5f}",
                        "astpp_value": f"{balance:.5f}",
                        "cause": cause,
                    }

    def _compare_orders(self, server, database):
        """Compare dates and ends of the orders that Odoo renews."""
        if server.renewals_by != "odoo":
            return
        orders = self._mirrored("astpp.subscription", server, [("odoo_from", "!=", False)])
        causes = self._causes(server, "order", "subscription_id")
        rows = current_values(database, (OrderState,), orders.mapped("astpp_id"))
        for order in orders.filtered(lambda order: order.astpp_id in rows):
            runs = order.state == "active" and order.start_date
            last = order._paid_days()[1] if runs else None
            wanted = OrderState(item_id=order.astpp_id, last=last, ended=order.state == "terminated")
            yield from self._lines(order.account_id, order.name, wanted, rows[order.astpp_id], causes[order])

    def _compare_numbers(self, server, database):
        dids = self._mirrored("astpp.did", server, [])
        causes = self._causes(server, "did", "did_id")
        switched = self._causes(server, "account", "account_id")
        rows = current_values(database, (NumberOwner, NumberSwitch), dids.mapped("astpp_id"))
        for did in dids.filtered(lambda did: did.astpp_id in rows and did.account_id.account_type != "reseller"):
            owner, found = did.account_id, rows[did.astpp_id]
            wanted = NumberOwner(did_id=did.astpp_id, account_id=owner.astpp_id or 0, holders=())
            yield from self._lines(owner, did.number, wanted, found, causes[did])
            suspended = owner and owner.status != "active"
            # All other numbers follow ASTPP.
            if suspended or did.off_with_account:
                wanted = NumberSwitch(did_id=did.astpp_id, on=not suspended)
                yield from self._lines(owner, did.number, wanted, found, switched[owner], kind="did")

    def _compare_accounts(self, server, database):
        """Compare status, credit limit and who invoices; accounts deleted in ASTPP are skipped."""
        accounts = self._mirrored("astpp.account", server, [("status", "!=", "closed")])
        causes = self._causes(server, "account", "account_id")
        invoicing = self._causes(server, "invoicing", "account_id")
        rows = current_values(database, (AccountSwitches, InvoicingOff), accounts.mapped("astpp_id"))
        for account in accounts.filtered(lambda account: account.astpp_id in rows):
            name, found = account.display_name, rows[account.astpp_id]
            yield from self._lines(account, name, account._switches(), found, causes[account])
            if account.invoice_enabled and account.payment_mode == "postpaid":
                yield from self._lines(account, name, account._invoicing_off(), found, invoicing[account], "account")

    def _mirrored(self, model, server, domain):
        return self.env[model].search([("server_id", "=", server.id), ("astpp_id", "!=", 0), *domain])

    def _causes(self, server, kind, field):
        """Return {record: state of its last unapplied change}; by default "astpp", "off" if the kind is not written."""
        entries = self.env["astpp.outbox"].search(
            [("server_id", "=", server.id), ("kind", "=", kind), (field, "!=", False)], order="id"
        )
        causes = {entry[field]: entry.state for entry in entries if entry.state != "applied"}
        return defaultdict(lambda: "astpp" if server._writes(kind) else "off", causes)

    def _lines(self, account, name, wanted, found, cause, kind=None):
        """Yield a line for each value that ASTPP has otherwise.

        :param wanted: change that would give ASTPP's row the values in Odoo
        :param found: {column: text}
        :param kind: kind of the line, the change's own by default
        """
        for different in wanted.row().differences(found):
            yield {
                "kind": kind or wanted.kind,
                "account_id": account.id,
                "name": f"{name}: {different.column}",
                "odoo_value": different.after,
                "astpp_value": different.before,
                "cause": cause,
            }
