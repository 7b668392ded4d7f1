from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ...connector import readers
from ...renewal_period import bounded

# Fields that Odoo decides once it renews.
RENEWAL_FIELDS = {"start_date", "next_date", "end_date", "state", "close_reason", "price", "quantity", "product_id"}

# More orders than this are not named, and do not vanish by chance.
MOST_NAMES = 10


class AstppSubscription(models.Model):
    """Mirror ASTPP's orders."""

    _inherit = "astpp.subscription"

    @api.model
    def _sync(self, run):
        """Mirror ASTPP's orders; those whose account or product is unknown wait until it is there."""
        records = list(readers.read_orders(run.database, run.left_out.add))
        wanted, waiting = self._wanted(run.server, records)
        created, changed = self._merge_synced(run.server, wanted, run.left_out, run.commit)
        self._link_levels(run.server, records)
        remarks = (
            [self.env._("%s orders of unknown accounts or deleted products are left out.", waiting)] if waiting else []
        )
        gone, remark = self._end_gone(run.server, readers.read_order_ids(run.database))
        remarks += [remark] if remark else []
        run.note(len(records), len(created), len(changed | gone), "\n".join(remarks))

    @api.model
    def _end_gone(self, server, ids):
        """End the orders that were deleted in ASTPP: they are charged no more, and nothing is written for them.

        :param ids: ids of all of ASTPP's order items
        :return: (orders that have ended, what to say about it)
        """
        self.flush_model(["server_id", "astpp_id", "state"])
        rows = self.env.execute_query(
            SQL(
                "SELECT id, astpp_id FROM astpp_subscription WHERE server_id = %s AND astpp_id <> 0 AND state <> 'terminated'",
                server.id,
            )
        )
        gone = self.browse(order_id for order_id, astpp_id in rows if astpp_id not in ids)
        if not gone:
            server._clear_alert("missing_orders")
            return gone, ""
        names = ", ".join(gone[:MOST_NAMES].mapped("name")) + (" …" if len(gone) > MOST_NAMES else "")
        if len(gone) > MOST_NAMES and len(gone) > len(rows) / 2:
            # Rather another database, or one that is being restored, than somebody who deleted them all.
            text = self.env._(
                "%(count)s of %(all)s orders are not in ASTPP any more, so none was ended: is it the right database? %(names)s",
                count=len(gone),
                all=len(rows),
                names=names,
            )
            server._raise_alert("missing_orders", self.env._("Most orders are gone from ASTPP"), text)
            return self.browse(), text
        server._clear_alert("missing_orders")
        reason = self.env._("Deleted in ASTPP")
        waiting = [("subscription_id", "in", gone.ids), ("state", "in", ("waiting", "failed"))]
        # sudo: nobody may write on changes that wait.
        self.env["astpp.outbox"].sudo().search(waiting).write({"state": "skipped", "message": reason})
        server._settle_outbox_alerts()
        gone._close_orders(self.env["astpp.close.reason"], fields.Datetime.now(), reason)
        text = self.env._(
            "%(count)s orders were deleted in ASTPP, and have ended: %(names)s", count=len(gone), names=names
        )
        server._raise_alert("gone_orders", self.env._("Orders were deleted in ASTPP"), text)
        return gone, text

    @api.model
    def _link_levels(self, server, orders):
        """Link imported orders to those of the resellers above that ASTPP made with them (ASTPP facts 1.9, 4.2).

        ASTPP chains them by the accounts' ids, so a link to an account that is not above is wrong, and left out.

        :param orders: list of ``connector.records.Order``
        """
        links = [(order.item_id, order.parent_id) for order in orders if order.parent_id]
        self.flush_model(["astpp_id", "astpp_order_id", "wholesale_id", "account_id", "server_id"])
        self.env["astpp.account"].flush_model(["parent_path"])
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_subscription c SET wholesale_id = p.id
                  FROM unnest(%(items)s::int[], %(parents)s::int[]) AS link(item_id, order_id),
                       astpp_subscription p, astpp_account above, astpp_account below
                 WHERE c.server_id = %(server)s AND c.astpp_id = link.item_id AND c.wholesale_id IS NULL
                   AND p.server_id = %(server)s AND p.astpp_order_id = link.order_id
                   AND above.id = p.account_id AND below.id = c.account_id AND above.id <> below.id
                   AND starts_with(below.parent_path, above.parent_path)
                """,
                items=[item_id for item_id, _order_id in links],
                parents=[order_id for _item_id, order_id in links],
                server=server.id,
            )
        )
        self.invalidate_model(["wholesale_id", "customer_order_ids"])

    @api.model
    def _wanted(self, server, orders):
        """Return the values of orders in ASTPP.

        :param orders: list of ``connector.records.Order``
        :return: ({ASTPP id: values}, number of orders that wait)
        """
        accounts = server._synced_ids("astpp.account")
        products, known = server._synced_product_ids(), server._synced_ids(self._name)
        dids = {did.astpp_product_id: did.id for did in self.env["astpp.did"].search([("server_id", "=", server.id)])}
        # If this product was deleted, orders of numbers wait.
        did_product = self.env.ref("astpp_billing.product_did", raise_if_not_found=False)
        wanted, waiting = {}, 0
        # Skip orders that were changed in Odoo and not written back yet.
        newer = set(self.env["astpp.outbox"]._unapplied(server, "subscription_id", "order").mapped("astpp_id"))
        for order in orders:
            if order.item_id in newer:
                continue
            is_did = order.category == "did"
            account_id = accounts.get(order.account_id)
            product_id = (did_product and did_product.id) if is_did else products.get(order.product_id)
            if not account_id or not product_id:
                waiting += 1
                continue
            if order.failed and order.item_id not in known:
                # Nothing was sold.
                continue
            ended = order.terminated or order.failed
            state = "terminated" if ended else "active" if order.paid else "draft"
            wanted[order.item_id] = {
                "name": order.number,
                "astpp_order_id": order.id,
                "account_id": account_id,
                "product_id": product_id,
                "did_id": dids.get(order.product_id, False) if is_did else False,
                "quantity": order.quantity if not is_did else 1,
                "price": float(order.price),
                "setup_fee": float(order.setup_fee),
                "recurring": order.recurring,
                "period_count": bounded("day", order.billing_days),
                "period_unit": "day",
                "free_minutes": order.free_minutes,
                "start_date": order.start,
                "next_date": order.period_end if not ended else False,
                "end_date": order.end,
                "state": state,
                "close_reason": order.note if ended else False,
            }
        return wanted, waiting

    def _after_merge(self, created):
        res = super()._after_merge(created)
        for subscription in created.filtered("start_date"):
            subscription.activation_date = subscription.start_date
        created.filtered(lambda s: s.server_id.renewals_by == "odoo")._take_over()
        self.filtered(lambda s: s.state == "active")._open_allowances()
        return res

    @api.model
    def _followed(self, server):
        return {"account_id", "state"} if server.renewals_by == "odoo" else super()._followed(server)

    def _synced_changes(self, wanted, current):
        """When Odoo renews, ignore ASTPP's outdated dates; only an end in ASTPP counts."""
        changes = super()._synced_changes(wanted, current)
        if self.server_id.renewals_by != "odoo" or not self.odoo_from:
            return changes
        ended = changes.get("state") == "terminated"
        kept = {"state", "end_date", "close_reason"} if ended else set()
        changes = {name: value for name, value in changes.items() if name not in RENEWAL_FIELDS - kept}
        return changes | ({"next_date": False} if ended else {})

    def _take_over(self):
        """Prepare orders that ASTPP renewed for renewal by Odoo: ASTPP's periods end a second before midnight UTC.

        Called when the server's renewals change hands; the period that ASTPP charged stays paid, at the terms that
        the order has now. Its dates become local ones of the account.
        """
        for subscription in self.filtered(lambda s: s.state in ("active", "suspended") and s.next_date):
            first = subscription.start_date and subscription.start_date.date()
            last = (subscription.next_date + timedelta(seconds=1)).date()
            start, end = subscription._instant(first), subscription._instant(last)
            subscription.allowance_ids.filtered(
                lambda each, start=subscription.start_date: each.period_start == start
            ).sudo().period_start = start
            subscription.write(
                {
                    **{"start_date": start, "next_date": end, "anchor_day": last.day},
                    **{"odoo_from": end, "odoo_until": end},
                }
            )
            subscription._take_over_timeline(first or subscription._day())
