from odoo import fields, models

from .astpp_usage import SOURCES, CopiedMany2one


class AstppUsageDay(models.Model):
    """What an account's usage of one UTC day comes to, by source and issuer, whoever bills it and when.

    Charts, balances and the comparison with ASTPP read days, so that their time does not depend on how many calls a
    day has. Days are changed by the statements that change totals (see ``_days_query``).
    """

    _name = "astpp.usage.day"
    _description = "Usage of a Day"
    _order = "day desc, id desc"
    _log_access = False
    _rec_name = "day"

    # Repeated from the account and its usage, without foreign keys of their own.
    server_id = CopiedMany2one("astpp.server", required=True, readonly=True)
    company_id = CopiedMany2one("res.company", required=True, readonly=True)
    issuer_id = CopiedMany2one("astpp.issuer", readonly=True)
    account_id = fields.Many2one("astpp.account", readonly=True, ondelete="cascade", help="Empty: not known yet.")
    source = fields.Selection(SOURCES, required=True, readonly=True)
    day = fields.Date(required=True, readonly=True, help="In UTC.")
    held = fields.Boolean(required=True, readonly=True)
    lines = fields.Integer(readonly=True, help="Number of usage lines.")
    duration = fields.Float(string="Duration (s)", digits=(20, 0), readonly=True)
    rated_amount = fields.Float(digits=(20, 6), readonly=True)
    amount = fields.Float(digits=(20, 6), readonly=True, help="In the server's base currency. Credits are negative.")
    credit = fields.Float(digits=(20, 6), readonly=True, help="The part of it that is credited, as a positive amount.")
    cost = fields.Float(digits=(20, 6), readonly=True)
    changed_date = fields.Datetime(readonly=True, help="When it changed last; the nightly check reads it.")

    # The server and day come first: days are added at one end of the index, and are compared with ASTPP by ranges.
    _key_uniq = models.UniqueIndex("(server_id, day, source, COALESCE(account_id, 0), held, COALESCE(issuer_id, 0))")
    _account_idx = models.Index("(account_id, day)")
    _issuer_idx = models.Index("(issuer_id, day)")
