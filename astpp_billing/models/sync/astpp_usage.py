from odoo import api, fields, models
from odoo.tools import SQL, split_every

from ...charge_types import CHARGE_WORDS, RENEWALS
from ...connector.charges import read_charges, read_states
from ...left_out import put_away
from ...renewal_period import is_renewed_twice
from ..ledger.astpp_usage_entries import UsageEntry
from ..ledger.usage_copy import in_chunks
from ..ledger.usage_state import POSTPAID, WAITING

# Ids to read again, because rows with lower ids may have been committed after a higher id was read.
OVERLAP = 1000
BATCH = 20_000
# Unneeded rows between two needed ones: up to this many are read along instead of starting another query.
GAP = 500
STATES = "astpp_charge_state"


class AstppUsage(models.Model):
    """Load ASTPP's own charges and credits into the ledger (ASTPP facts 5.7, 9)."""

    _inherit = "astpp.usage"

    @api.model
    def _sync_charges(self, run):
        """Load ASTPP's new charges, and hold unbilled ones that ASTPP has invoiced or deleted."""
        since = fields.Datetime.to_string(run.server.sync_from or fields.Datetime.to_datetime("2000-01-01"))
        added, read = self._load_charges(run.server, run.database, since, run.left_out)
        changed = self._check_charges(run.server, run.database)
        run.note(read, added, changed)

    @api.model
    def _reload_charges(self, run, since):
        """Load charges of ASTPP that the ledger lacks, whatever their ids are.

        :param since: UTC text; charges made from there on
        """
        self._load_charges(run.server, run.database, since, run.left_out, after=0)

    @api.model
    def _load_charges(self, server, database, since, left_out, after=None):
        """Load charges that the ledger does not have.

        :param since: UTC text; earlier charges are ignored
        :param after: ASTPP id above which to read, by default the last one that the ledger has
        :param left_out: ``LeftOut`` that collects charges that cannot be loaded
        :return: (added, read)
        """
        [(last,)] = self.env.execute_query(
            SQL(
                "SELECT max(source_key::bigint) FROM astpp_usage WHERE server_id = %s AND source = 'charge'",
                server.id,
            )
        )
        for model in ("astpp.account", "astpp.subscription"):
            self.env[model].flush_model()
        products = server._synced_product_ids()
        # If this product was deleted, fees of numbers are billed with the product of other charges.
        did_product = self.env.ref("astpp_billing.product_did", raise_if_not_found=False)
        did_product = did_product.id if did_product else None
        added = read = 0
        after = max(0, (last or 0) - OVERLAP) if after is None else after
        charges = read_charges(database, after, since, left_out.add)
        for batch in split_every(BATCH, charges):
            read += len(batch)
            entries = self._charge_entries(server, batch, products, did_product)
            added += sum(map(len, put_away(self, entries, self._add, left_out, self._charge_name)))
        return added, read

    @api.model
    def _charge_name(self, entry):
        return self.env._("ID %s", entry.key)

    @api.model
    def _charge_entries(self, server, charges, products, did_product):
        """Return charges as ledger entries; accounts and subscriptions are looked up for these charges only.

        :param charges: list of ``connector.records.Charge``
        :param products: {ASTPP id: product id}
        """
        accounts = self._rows_by_astpp_id("astpp_account", "id", server, {charge.account_id for charge in charges})
        subscriptions = self._rows_by_astpp_id(
            "astpp_subscription",
            "id, did_id, odoo_from, odoo_until",
            server,
            {charge.order_item_id for charge in charges},
        )
        odoo_renews = server.renewals_by == "odoo"
        entries = []
        for charge in charges:
            [account_id] = accounts.get(charge.account_id, [None])
            subscription = subscriptions.get(charge.order_item_id)
            subscription_id, did_id, *paid_by_odoo = subscription or (None, None)
            exception = None
            if charge.invoiced:
                exception = "astpp_invoiced"
            elif not charge.known_type:
                exception = "blank_type"
            elif subscription and charge.charge_type in RENEWALS.values() and charge.amount > 0:
                date = fields.Datetime.to_datetime(charge.date)
                exception = "renewed" if is_renewed_twice(date, *paid_by_odoo, odoo_renews) else None
            product = products.get(charge.product_id) or (did_product if charge.charge_type == "did_fee" else None)
            entries.append(
                UsageEntry(
                    source="charge",
                    key=str(charge.id),
                    server_id=server.id,
                    account_id=account_id,
                    account_ref=f"#{charge.account_id}",
                    date=charge.date,
                    charge_type=charge.charge_type,
                    amount=charge.amount,
                    description=charge.description,
                    product_id=product,
                    subscription_id=subscription_id,
                    did_id=did_id,
                    exception=exception,
                )
            )
        return entries

    @api.model
    def _rows_by_astpp_id(self, table, columns, server, ids):
        """Return {ASTPP id: values of the columns} of a mirror's rows."""
        rows = self.env.execute_query(
            SQL(
                "SELECT astpp_id, %s FROM %s WHERE server_id = %s AND astpp_id = ANY(%s) AND astpp_id != 0",
                SQL(columns),  # pylint: disable=sql-injection
                SQL.identifier(table),
                server.id,
                list(ids),
            )
        )
        return {astpp_id: values for astpp_id, *values in rows}

    @api.model
    def _check_charges(self, server, database):
        """Have unbilled charges follow ASTPP: edited ones change, deleted and invoiced ones are held.

        ASTPP's rows are streamed into a temporary table, so that memory use does not depend on their number.

        :return: number of charges held or changed
        """
        self.flush_model()
        waiting = SQL(
            "u.server_id = %s AND u.source = 'charge' AND u.released_by_id IS NULL AND %s", server.id, WAITING.sql
        )
        if not (ranges := self._charge_ranges(waiting)):
            return 0
        self._stage_states(database, ranges)
        states = SQL.identifier(STATES)
        held = 0
        for exception, condition in (
            (
                "astpp_invoiced",
                # What was prepaid has a receipt only.
                SQL(
                    "%s AND EXISTS (SELECT FROM %s s WHERE s.id = u.source_key::bigint AND s.invoiced)",
                    POSTPAID.sql,
                    states,
                ),
            ),
            ("gone", SQL("NOT EXISTS (SELECT FROM %s s WHERE s.id = u.source_key::bigint)", states)),
        ):
            held += self._hold(exception, SQL("%s AND %s", waiting, condition))
        return held + self._follow_edited(server, waiting)

    @api.model
    def _stage_states(self, database, ranges):
        """Fill the temporary table of ASTPP's charges as they are now.

        :param ranges: [(first, last)] of ids
        """
        states = SQL.identifier(STATES)
        self.env.cr.execute(SQL("DROP TABLE IF EXISTS %s", states))
        self.env.cr.execute(
            SQL(
                "CREATE TEMPORARY TABLE %s (id bigint, invoiced boolean, account_id int, amount numeric, date timestamp,"
                " charge_type text) ON COMMIT DROP",
                states,
            )
        )
        rows = (row for first, last in ranges for row in read_states(database, first, last))
        self._copy(STATES, None, in_chunks(f"{row}\n" for row in rows))
        # The planner may not have statistics of the ledger yet; with this index any plan needs one lookup per charge.
        self.env.cr.execute(SQL("CREATE UNIQUE INDEX ON %s (id)", states))
        self.env.cr.execute(SQL("ANALYZE %s", states))

    @api.model
    def _follow_edited(self, server, waiting):
        """Give waiting charges that were edited in ASTPP the account, amount, date and type that they have there now.

        :param waiting: SQL condition on ``astpp_usage u``
        :return: number of charges changed
        """
        edited = self.env.execute_query(
            SQL(
                """
                SELECT u.id, a.id, s.amount::text, s.date, w.charge_type
                  FROM astpp_usage u
                  JOIN %s s ON s.id = u.source_key::bigint
             LEFT JOIN unnest(%s, %s) AS w(word, charge_type) ON w.word = s.charge_type
                  JOIN astpp_account a ON a.server_id = u.server_id AND a.astpp_id = s.account_id AND a.astpp_id <> 0
                 WHERE %s AND (u.account_id <> a.id OR u.rated_amount <> s.amount OR u.date <> s.date
                               OR u.charge_type <> w.charge_type)
              ORDER BY u.id
                """,
                SQL.identifier(STATES),
                list(CHARGE_WORDS),
                list(CHARGE_WORDS.values()),
                waiting,
            )
        )
        for key, account_id, amount, date, charge_type in edited:
            # sudo: the ledger's lines of ASTPP are nobody's to write, and these are few.
            line = self.sudo().browse(key)
            vals = {"amount": float(amount), "rated_amount": float(amount)}
            vals |= {"account_id": account_id} if line.account_id.id != account_id else {}
            vals |= {"date": date} if line.date != date else {}
            vals |= {"charge_type": charge_type} if charge_type else {}
            line.write(vals)
        return len(edited)

    @api.model
    def _charge_ranges(self, waiting):
        """Return ranges [(first, last)] of the waiting charges' ASTPP ids, split at large gaps.

        :param waiting: SQL condition on ``astpp_usage u``
        """
        return self.env.execute_query(
            SQL(
                """
                SELECT min(id), max(id)
                  FROM (SELECT id, count(*) FILTER (WHERE is_far) OVER (ORDER BY id) AS island
                          FROM (SELECT id, id - lag(id) OVER (ORDER BY id) > %s AS is_far
                                  FROM (SELECT u.source_key::bigint AS id FROM astpp_usage u WHERE %s) AS ids
                               ) AS steps
                       ) AS islands
              GROUP BY island
              ORDER BY island
                """,
                GAP,
                waiting,
            )
        )
