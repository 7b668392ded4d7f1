import math
import re
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

KEPT_DAYS = 7
# How much of what takes time or reaches others a user may ask for in an hour, unless a system parameter
# ``astpp_billing.limit_<kind>`` says otherwise: documents to mail, requests for credit notes, documents to make,
# files of charges, customers to add.
LIMITS = {"send": 500, "credit_request": 20, "pdf": 300, "export": 60, "customer": 60}


class AstppPortalAct(models.Model):
    """What portal users did of late: a form that was sent is not sent again, and nobody asks for too much.

    A form has a random token. Its row is written in the transaction that does what the form asks for, so that of two
    at the same moment one waits for the other, and finds that it is done.
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
        """Note that the user's form is being done.

        :param token: the form's, 32 hexadecimal digits
        :return: (the act, whether it is the first time)
        :raise UserError: the form has none: it comes from a page of before, or from nowhere
        """
        if not re.fullmatch(r"[0-9a-f]{32}", token or ""):
            raise UserError(self.env._("This page is too old. Load it again and repeat what you did."))
        who = f"user/{self.env.uid}"
        # Somebody who did it at the same moment is waited for; then the request is done again by Odoo, and finds it.
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
        # sudo: portal users have no right on what is noted of them.
        acts = self.sudo()
        if taken:
            return acts.browse(taken[0]), True
        return acts.search([("user_id", "=", self.env.uid), ("kind", "=", kind), ("token", "=", token)]), False

    @api.model
    def _spend(self, kind, quantity=1, who=None):
        """Count what was asked for in the last hour.

        :param kind: one of ``LIMITS``
        :param who: whose it is, the user's by default
        :raise UserError: it is too much; says when it can be asked for again
        """
        who, now = who or f"user/{self.env.uid}", fields.Datetime.now()
        hour = timedelta(hours=1)
        parameter = self.env["ir.config_parameter"].sudo().get_param(f"astpp_billing.limit_{kind}", "")
        most = int(parameter) if parameter.isdecimal() else LIMITS[kind]
        # sudo: as above.
        recent = [("who", "=", who), ("kind", "=", kind), ("create_date", ">", now - hour)]
        [(spent, first)] = self.sudo()._read_group(recent, [], ["quantity:sum", "create_date:min"])
        # What is too much at once may be asked for when nothing was before.
        if spent and spent + quantity > most:
            minutes = min(60, max(1, math.ceil((first + hour - now).total_seconds() / 60)))
            raise UserError(self.env._("That is too much at a time. Try again in %s minutes.", minutes))
        self.sudo().create({"user_id": self.env.uid, "who": who, "kind": kind, "quantity": quantity})

    @api.autovacuum
    def _gc_acts(self):
        """Forget what is older than any page that is still open."""
        before = fields.Datetime.now() - timedelta(days=KEPT_DAYS)
        self.env.execute_query(SQL("DELETE FROM astpp_portal_act WHERE create_date < %s RETURNING id", before))
