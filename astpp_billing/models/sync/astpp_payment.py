from functools import partial

from odoo import api, fields, models
from odoo.tools import SQL, split_every

from ...connector import readers
from ...left_out import put_away

# Rows stored by one statement, and in one transaction.
BATCH = 10_000
# Ids to read again, because rows with lower ids may have been committed after a higher id was read.
OVERLAP = 1000


class AstppPayment(models.Model):
    """A payment or purchase made in ASTPP: kept as history, never booked."""

    _name = "astpp.payment"
    _description = "ASTPP Payment"
    _inherit = ["astpp.synced.mixin"]
    _order = "date desc, id desc"
    _rec_name = "transaction_ref"

    company_id = fields.Many2one(related="server_id.company_id", store=True)
    account_id = fields.Many2one("astpp.account", index=True)
    partner_id = fields.Many2one(related="account_id.partner_id")
    date = fields.Datetime()
    amount = fields.Monetary(help="Tax included, in the server's base currency.")
    currency_id = fields.Many2one(related="server_id.currency_id")
    method = fields.Char()
    transaction_ref = fields.Char(string="Transaction")

    _astpp_uniq = models.UniqueIndex("(server_id, astpp_id)")

    @api.model
    def _sync(self, run):
        """Add new rows only: ``payment_transaction`` is a long history whose rows do not change.

        As a statement a batch, without records: nobody works on them, and they are many.
        """
        since = fields.Datetime.to_string(run.server.sync_from) if run.server.sync_from else None
        last = self.search([("server_id", "=", run.server.id)], order="astpp_id desc", limit=1).astpp_id
        read = added = 0
        payments = readers.read_payments(run.database, max(0, last - OVERLAP), since, run.left_out.add)
        for batch in split_every(BATCH, payments):
            read += len(batch)
            put = partial(self._add, run.server)
            added += sum(put_away(self, batch, put, run.left_out, lambda payment: self._row_name(payment.id)))
            run.step.write({"read_count": read, "added_count": added})
            run.commit()
        run.note(read, added, 0)

    @api.model
    def _add(self, server, payments):
        """Add a list of ``connector.records.Payment``; those that are here already are passed over.

        :return: how many were added
        """
        self.flush_model()
        self.env["astpp.account"].flush_model(["server_id", "astpp_id"])
        columns = list(zip(*payments, strict=True))
        rows = self.env.execute_query(
            SQL(
                """
                INSERT INTO astpp_payment (server_id, company_id, astpp_id, account_id, amount, method, transaction_ref, date,
                                           create_uid, create_date)
                SELECT %(server)s, %(company)s, p.id, a.id, p.amount, p.method, p.transaction, p.date, %(user)s,
                       now() AT TIME ZONE 'UTC'
                  FROM unnest(%(ids)s::int[], %(accounts)s::int[], %(amounts)s::numeric[], %(methods)s::text[],
                              %(transactions)s::text[], %(dates)s::timestamp[])
                       AS p(id, account_id, amount, method, transaction, date)
             LEFT JOIN astpp_account a ON a.server_id = %(server)s AND a.astpp_id = p.account_id AND p.account_id <> 0
           ON CONFLICT DO NOTHING
             RETURNING id
                """,
                server=server.id,
                company=server.company_id.id,
                user=self.env.uid,
                **dict(
                    zip(
                        ("ids", "accounts", "amounts", "methods", "transactions", "dates"),
                        map(list, columns),
                        strict=True,
                    )
                ),
            )
        )
        self.invalidate_model()
        return len(rows)
