import math
import re
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

KEPT_DAYS = 7
# How often a user may do what takes time or reaches other people, per hour, unless a system parameter
# ``astpp_billing.limit_<kind>`` sets another limit: mailing documents, requesting credit notes, disputing calls, rendering documents,
# exporting charges, adding customers.
LIMITS = {"send": 500, "credit_request": 20, "dispute": 20, "pdf": 300, "export": 60, "customer": 60}


class AstppPortalAct(models.Model):
    """Recent actions of portal users, so that no form is processed twice and hourly limits are kept.

    Each form has a random token. Its row is inserted in the transaction that processes the form: of two simultaneous
    requests with the same token, the second waits for the first and then finds it done.
    """

    _name = "astpp.portal.act"
    _description = "Act on the Portal"
    _order = "id desc"

    user_id = fields.Many2one("res.users", required=True, readonly=True, ondelete="cascade", index=True)
    who = fields.Char(required=True, readonly=True, help="The user, or the document that somebody without one sees.")
    kind = fields.Char(required=True, readonly=True)
    token = fields.Char(readonly=True, help="Of the form, once.")
    quantity = fields.Integer(required=True, readonly=True, default=1)
    url = fields.Char(readonly=True, help="Where the form led.")

    _token_uniq = models.UniqueIndex("(user_id, kind, token) WHERE token IS NOT NULL")
    _recent_idx = models.Index("(who, kind, create_date)")

    @api.model
    def _take(self, kind, token):
        """Claim a form's token, so that the form is processed only once.

        :param token: the form's token, 32 hexadecimal digits
        :return: (act, whether this is the first time)
        :raise UserError: when the token is missing or malformed, as on an outdated page
        """
        if not re.fullmatch(r"[0-9a-f]{32}", token or ""):
            raise UserError(self.env._("This page is too old. Load it again and repeat what you did."))
        who = f"user/{self.env.uid}"
        # Waits for a simultaneous request with the same token; then Odoo retries this request, which finds the row.
        taken = self.env.execute_query(
            SQL(
                """
                INSERT INTO astpp_portal_act (user_id, who, kind, token, quantity, create_uid, create_date)
                     VALUES (%(uid)s, %(who)s, %(kind)s, %(token)s, 0, %(uid)s, %(now)s)
                ON CONFLICT (user_id, kind, token) WHERE token IS NOT NULL DO NOTHING
                  RETURNING id
                """,
                uid=self.env.uid,
                who=who,
                kind=kind,
                token=token,
                now=fields.Datetime.now(),
            )
        )
        # sudo: portal users have no access to this model.
        acts = self.sudo()
        if taken:
            return acts.browse(taken[0]), True
        return acts.search([("user_id", "=", self.env.uid), ("kind", "=", kind), ("token", "=", token)]), False

    @api.model
    def _spend(self, kind, quantity=1, who=None):
        """Count this request against the hourly limit.

        :param kind: one of ``LIMITS``
        :param who: whose limit to count against, the current user's by default
        :raise UserError: when the limit is exceeded; it says when to try again
        """
        who, now = who or f"user/{self.env.uid}", fields.Datetime.now()
        hour = timedelta(hours=1)
        parameter = self.env["ir.config_parameter"].sudo().get_param(f"astpp_billing.limit_{kind}", "")
        most = int(parameter) if parameter.isdecimal() else LIMITS[kind]
        # sudo: portal users have no access to this model.
        recent = [("who", "=", who), ("kind", "=", kind), ("create_date", ">", now - hour)]
        [(spent, first)] = self.sudo()._read_group(recent, [], ["quantity:sum", "create_date:min"])
        # A single request above the limit is allowed if nothing else was requested within the hour.
        if spent and spent + quantity > most:
            minutes = min(60, max(1, math.ceil((first + hour - now).total_seconds() / 60)))
            raise UserError(self.env._("That is too much at a time. Try again in %s minutes.", minutes))
        self.sudo().create({"user_id": self.env.uid, "who": who, "kind": kind, "quantity": quantity})

    @api.autovacuum
    def _gc_acts(self):
        """Delete rows that are older than any page still open."""
        before = fields.Datetime.now() - timedelta(days=KEPT_DAYS)
        self.env.execute_query(SQL("DELETE FROM astpp_portal_act WHERE create_date < %s RETURNING id", before))
