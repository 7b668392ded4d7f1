from odoo import api, models
from odoo.tools import SQL

from .usage_state import NOT_BILLED


class AstppUsage(models.Model):
    """Ownership of usage: customer, issuer and payment mode are copied from the account and kept in step with it.

    Billed usage keeps its issuer, who issued the document. Usage never moves from one account to another.
    """

    _inherit = "astpp.usage"

    @api.model
    def _adopt(self, accounts):
        """Assign usage to accounts that were unknown when it arrived.

        If several accounts have the same number, the one that is not closed gets the usage, else the newest.
        """
        accounts.flush_recordset()
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage u
                   SET account_id = a.id, partner_id = a.partner_id, issuer_id = a.issuer_id,
                       prepaid = a.payment_mode = 'prepaid',
                       exception = u.second_exception, second_exception = NULL, account_ref = NULL
                  FROM astpp_account a
                 WHERE a.id = ANY(%(ids)s)
                   AND u.account_id IS NULL
                   AND u.server_id = a.server_id
                   AND u.account_ref IN (a.number, '#' || a.astpp_id)
                   AND (u.account_ref = '#' || a.astpp_id
                        OR a.id = (SELECT o.id FROM astpp_account o
                                    WHERE o.server_id = a.server_id AND o.number = a.number
                                 ORDER BY o.status = 'closed', o.id DESC LIMIT 1))
                """,
                ids=accounts.ids,
            )
        )
        if self.env.cr.rowcount:
            self.invalidate_model()
            self._retotal(
                SQL(
                    "u.account_id = ANY(%s) AND u.total_id IN (SELECT id FROM astpp_usage_total WHERE account_id IS NULL)",
                    accounts.ids,
                )
            )

    @api.model
    def _follow(self, accounts):
        """Copy the accounts' customer to all of their usage, and their issuer to their unbilled usage."""
        accounts.flush_recordset()
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage u
                   SET partner_id = a.partner_id,
                       issuer_id = CASE WHEN %(not_billed)s THEN a.issuer_id ELSE u.issuer_id END
                  FROM astpp_account a
                 WHERE a.id = ANY(%(ids)s)
                   AND u.account_id = a.id
                   AND (u.partner_id IS DISTINCT FROM a.partner_id
                        OR %(not_billed)s AND u.issuer_id IS DISTINCT FROM a.issuer_id)
                """,
                ids=accounts.ids,
                not_billed=NOT_BILLED.sql,
            )
        )
        if self.env.cr.rowcount:
            self.invalidate_model()
            self._retotal(SQL("u.account_id = ANY(%s)", accounts.ids))
            # What is billed keeps its issuer, and names the customer as its lines do.
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE astpp_usage_total t SET partner_id = a.partner_id FROM astpp_account a
                     WHERE a.id = ANY(%s) AND t.account_id = a.id AND t.move_line_id IS NOT NULL
                       AND t.partner_id IS DISTINCT FROM a.partner_id
                    """,
                    accounts.ids,
                )
            )

    @api.model
    def _disown(self, account, account_ref: str):
        """Take usage away from an account that got it by a number it does not own; it waits for the right account.

        Billed usage stays with the account, and so do Odoo's own charges.

        :param account_ref: the number by which the usage waits for its account
        """
        self.flush_model()
        disowned = self.env.execute_query(
            SQL(
                """
                UPDATE astpp_usage SET account_id = NULL, partner_id = NULL, issuer_id = NULL, prepaid = FALSE,
                       second_exception = exception, exception = 'unknown_account', account_ref = %s
                 WHERE account_id = %s AND %s AND subscription_id IS NULL
                   AND source NOT IN ('subscription', 'manual')
             RETURNING id
                """,
                account_ref,
                account.id,
                NOT_BILLED.sql,
            )
        )
        if disowned:
            self.invalidate_model()
            self._retotal(SQL("u.id = ANY(%s)", [usage_id for (usage_id,) in disowned]))
