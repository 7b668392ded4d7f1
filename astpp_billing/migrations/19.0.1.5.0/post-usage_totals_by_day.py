"""Usage is added up by account and day as well, once each line has its total."""

from odoo import SUPERUSER_ID, api
from odoo.tools import SQL


def migrate(cr, _version):
    env = api.Environment(cr, SUPERUSER_ID, {})
    cr.execute("DELETE FROM astpp_usage_day")
    env["astpp.usage"]._add_days(SQL("u.total_id IS NOT NULL"))
    cr.execute("ANALYZE astpp_usage_day")
