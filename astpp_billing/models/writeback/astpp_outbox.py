from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ...connector.changes import Change, shown

# Kind of a balance change, by the first part of its key; everything else is a credit.
KINDS_BY_CAUSE = {"usage": "charge", "payment": "payment"}
MOST_ATTEMPTS = 6


class Queued(NamedTuple):
    """Changes of rows in ASTPP that are made together, in one transaction."""

    account: models.BaseModel
    """the account in whose queue they wait"""
    key: str
    """names the cause: a cause is queued once"""
    description: str
    changes: Sequence[Change]
    """of one kind"""
    links: dict[str, Any] = {}
    """other values of the entry: {"did_id": 7}"""


class AstppOutbox(models.Model):
    """A change that ASTPP must be told about, created in the transaction that causes it."""

    _name = "astpp.outbox"
    _description = "Change for ASTPP"
    _order = "id desc"
    _rec_name = "description"

    server_id = fields.Many2one("astpp.server", required=True, ondelete="restrict", readonly=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True, index=True)
    account_id = fields.Many2one("astpp.account", required=True, ondelete="restrict", readonly=True)
    kind = fields.Selection(
        [
            ("credit", "Top-up or Coupon"),
            ("charge", "Charge of Odoo's"),
            ("payment", "Paid Invoice"),
            ("order", "Order"),
            ("did", "Number"),
            ("account", "Account"),
            ("invoicing", "ASTPP's Invoicing"),
        ],
        required=True,
        readonly=True,
    )
    key = fields.Char(required=True, readonly=True, help="Names the cause: a cause is queued once.")
    amount = fields.Float(
        digits=(20, 6), readonly=True, help="Added to the account's funds, in the server's base currency."
    )
    currency_id = fields.Many2one(related="server_id.currency_id")
    rows = fields.Json(
        readonly=True, help="The rows to be written: table, what finds the row, values, expected values."
    )
    rows_before = fields.Json(readonly=True)
    changes = fields.Text(compute="_compute_changes", help="What is written, and what it replaced.")
    move_id = fields.Many2one(
        "account.move", string="Invoice", readonly=True, ondelete="set null", index="btree_not_null"
    )
    subscription_id = fields.Many2one("astpp.subscription", readonly=True, ondelete="cascade", index="btree_not_null")
    did_id = fields.Many2one("astpp.did", string="DID", readonly=True, ondelete="cascade", index="btree_not_null")
    description = fields.Char(readonly=True)
    state = fields.Selection(
        [
            ("off", "Not Written"),
            ("waiting", "Waiting"),
            ("applied", "Applied"),
            ("failed", "Failed"),
            ("skipped", "Skipped"),
        ],
        string="Status",
        default="waiting",
        required=True,
        readonly=True,
    )
    attempts = fields.Integer(readonly=True)
    next_date = fields.Datetime(string="Next Attempt", readonly=True)
    balance_before = fields.Float(digits=(20, 6), readonly=True, help="ASTPP's balance; postpaid: what is owed.")
    balance_after = fields.Float(digits=(20, 6), readonly=True)
    applied_date = fields.Datetime(readonly=True)
    message = fields.Char(readonly=True)

    _key_uniq = models.UniqueIndex("(server_id, key)", "This cause is queued already.")
    _waiting_idx = models.Index("(account_id, id) WHERE state IN ('waiting', 'failed')")

    @api.depends("rows", "rows_before")
    def _compute_changes(self):
        for entry in self:
            entry.changes = shown(entry.rows or [], entry.rows_before or [])

    @api.model
    def _enqueue_balances(self, entries):
        """Queue balance changes; those of a kind that is not written back are only recorded.

        The record matters later: once payments are written back, only the next part of a partly paid invoice is queued.

        :param entries: iterable of (account, amount, key, description), or the same with an invoice id at the end; the
            amount is what the account gains, in the server's base currency
        """
        vals_list = []
        for account, amount, key, description, *move in entries:
            if not amount:
                continue
            kind = KINDS_BY_CAUSE.get(key.split("/")[0], "credit")
            # sudo: whoever causes the change may have no access to the server's settings.
            is_written = account.sudo().server_id._writes(kind)
            vals_list.append(
                {
                    "server_id": account.server_id.id,
                    "account_id": account.id,
                    "kind": kind,
                    "state": "waiting" if is_written else "off",
                    "key": key,
                    "amount": float(amount),
                    "description": description,
                    "move_id": move[0] if move else False,
                }
            )
        # sudo: selling, charging or registering a payment causes changes, but no user may write them directly.
        return self.sudo().create(vals_list)

    @api.model
    def _enqueue_changes(self, entries):
        """Queue changes of rows in ASTPP, for servers where their kind is written back.

        Changes for other servers are dropped, because old dates and owners mean nothing when the switch is turned on.

        :param entries: iterable of ``Queued``
        """
        # sudo: whoever may end an order or suspend an account causes changes, but may not write them directly.
        return self.sudo().create(
            [
                {
                    "server_id": entry.account.server_id.id,
                    "account_id": entry.account.id,
                    "kind": entry.changes[0].kind,
                    "key": entry.key,
                    "rows": [change.stored() for change in entry.changes],
                    "description": entry.description,
                    **entry.links,
                }
                for entry in entries
                # sudo: whoever causes the change may have no access to the server's settings.
                if entry.account.sudo().server_id._writes(entry.changes[0].kind)
            ]
        )

    @api.model
    def _unapplied(self, server, field, kind):
        """Return the records with changes that ASTPP has not received yet, so its values for them are outdated.

        :param field: account_id, subscription_id or did_id
        """
        domain = [("server_id", "=", server.id), ("kind", "=", kind), ("state", "in", ("waiting", "failed"))]
        groups = self.sudo()._read_group([*domain, (field, "!=", False)], [field])
        return self.env[self._fields[field].comodel_name].union(*(record.sudo(False) for (record,) in groups))

    def _fail(self, reason):
        """Record a failed attempt: try again after ever longer delays, and alert a user in the end."""
        self.ensure_one()
        attempts = self.attempts + 1
        gone = attempts >= MOST_ATTEMPTS
        self.write(
            {
                "attempts": attempts,
                "message": reason[:500],
                "next_date": fields.Datetime.now() + timedelta(minutes=5 * 3**attempts),
                "state": "failed" if gone else "waiting",
            }
        )
        if gone:
            self.server_id._raise_alert(
                "outbox",
                self.env._("A change does not reach ASTPP"),
                self.env._("%(account)s: %(reason)s", account=self.account_id.display_name, reason=reason),
            )

    def _check_manager(self):
        if not self.env.user.has_group("account.group_account_manager"):
            raise AccessError(self.env._("Only accounting administrators decide about changes for ASTPP."))

    def action_retry(self):
        """Retry failed changes immediately."""
        self._check_manager()
        self.filtered(lambda entry: entry.state in ("failed", "waiting")).sudo().write(
            {"state": "waiting", "attempts": 0, "next_date": False}
        )
        self.server_id._settle_outbox_alerts()
        self.env.ref("astpp_billing.ir_cron_apply").sudo()._trigger()

    def action_skip(self):
        """Open the wizard that asks why changes are skipped."""
        self._check_manager()
        self.check_access("read")
        return self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_outbox_skip") | {
            "context": {"default_outbox_ids": self.ids}
        }

    def _skip(self, reason):
        """Skip changes, such as those already made in ASTPP by hand, so that the account's other changes can proceed.

        :param reason: text
        """
        self._check_manager()
        if self.filtered(lambda entry: entry.state not in ("waiting", "failed")):
            raise UserError(self.env._("Only what waits or failed can be skipped."))
        message = self.env._("Skipped by %(user)s: %(reason)s", user=self.env.user.name, reason=reason)
        self.sudo().write({"state": "skipped", "message": message})
        self.server_id._settle_outbox_alerts()
