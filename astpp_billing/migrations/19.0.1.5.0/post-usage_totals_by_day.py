"""Usage is added up by account and day as well, once each line has its total."""

from odoo import SUPERUSER_ID, api
from odoo.addons.astpp_billing.models.ledger.total_key import MOVED, NOWHERE
from odoo.tools import SQL


def migrate(cr, _version):
    env = api.Environment(cr, SUPERUSER_ID, {})
    cr.execute("DELETE FROM astpp_usage_day")
    cr.execute(
        SQL(
            """
            WITH wanted AS (%(nowhere)s
            ), moved AS (
                SELECT NULL::int AS old_id, u.total_id AS new_id, %(returned)s FROM astpp_usage u
                 WHERE u.total_id IS NOT NULL
            ), %(days)s
            SELECT 1
            """,
            nowhere=NOWHERE,
            returned=MOVED,
            days=env["astpp.usage"]._days_query(),
        )
    )
    cr.execute("ANALYZE astpp_usage_day")
