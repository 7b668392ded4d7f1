from decimal import Decimal

from odoo.exceptions import UserError, ValidationError
from odoo.http import request, route

from .form_text import amount_of, one_line
from .portal import MAILS, AstppPortal

# Unpaid top-ups that an account may have.
MOST_OPEN_TOPUPS = 5
# Orders above this amount, in the server's base currency, need confirmation; a system parameter can change it.
CONFIRM_ABOVE = Decimal(100)


class AstppPortalServices(AstppPortal):
    """A customer's services: view, order, end, top up, and set preferences."""

    @route("/my/services", type="http", auth="user", website=True)
    def astpp_services(self, message=None, **_kw):
        """Show packages with their minutes, numbers, subscriptions and unbilled usage."""
        accounts = request.env["astpp.account"]._portal_accounts()
        subscriptions = (
            request.env["astpp.subscription"]
            .sudo()
            .search(
                [("account_id", "in", accounts.ids), ("state", "in", ("active", "suspended"))], order="account_id, id"
            )
        )
        values = self._prepare_portal_layout_values() | {
            "page_name": "astpp_services",
            "accounts": accounts,
            "subscriptions": subscriptions,
            "offers": self._astpp_offers(accounts[:1]),
            "message": request.session.pop("astpp_message", None),
            "error": request.session.pop("astpp_error", None),
        }
        return request.render("astpp_billing.portal_services", values)

    def _astpp_offers(self, account):
        """Return [(product, price, setup fee)] that the account may buy, at its issuer's prices."""
        if not account:
            return []
        products = (
            request.env["product.product"]
            .sudo()
            .search(
                [
                    *[("astpp_type", "in", ("package", "subscription")), ("astpp_can_purchase", "=", True)],
                    *[("sale_ok", "=", True), ("company_id", "in", (False, account.company_id.id))],
                    # A reseller's customers may buy only what the reseller may sell.
                    *([("astpp_can_resell", "=", True)] if account.parent_id else []),
                ],
                limit=50,
            )
        )
        return [(product, *product._astpp_price(account)) for product in products]

    def _astpp_back(self, error=None, message=None, url="/my/services"):
        request.session["astpp_error"], request.session["astpp_message"] = error, message
        return request.redirect(url)

    def _astpp_try(self, action, message, once=None):
        """Run an action for the customer; on failure, undo all of it and show why.

        :param once: (kind, token) of a form that must not be processed twice
        """
        try:
            with request.env.cr.savepoint():
                if once and not request.env["astpp.portal.act"]._take(*once)[1]:
                    return self._astpp_back(message=self._astpp_done_already())
                action()
        except (UserError, ValidationError) as error:
            return self._astpp_back(error=str(error))
        return self._astpp_back(message=message)

    def _astpp_is_closed(self, account):
        """Return the response to changes on a closed account, or None if the account is open."""
        if account.status != "closed":
            return None
        return self._astpp_back(error=request.env._("This account is closed. You can look, pay and download."))

    def _astpp_cost(self, account, product, quantity):
        """Return what an order costs at once, in the server's base currency: a whole period and the setup fee."""
        price, fee = product._astpp_price(account, quantity)
        return (Decimal(str(price)) + Decimal(str(fee))) * quantity

    def _astpp_confirm_above(self):
        """Return the amount, in the server's base currency, above which a customer must confirm an order."""
        text = request.env["ir.config_parameter"].sudo().get_param("astpp_billing.confirm_order_above", "")
        return Decimal(text) if text.isdecimal() else CONFIRM_ABOVE

    @route("/my/services/order", type="http", auth="user", methods=["POST"], website=True)
    def astpp_order(self, account_id="", product_id="", quantity="1", confirmed="", once="", **_kw):
        """Order a package or subscription: creates and confirms a sale order, as in the back office.

        Orders above a set amount must be confirmed, and only at the amount that the customer saw.
        """
        account = self._astpp_own_account(account_id)
        if closed := self._astpp_is_closed(account):
            return closed
        offered = {str(product.id): product for product, _price, _fee in self._astpp_offers(account)}
        product = offered.get(product_id)
        if not product:
            raise request.not_found()
        if not quantity.isdecimal() or len(quantity) > 3 or not 1 <= int(quantity) <= 999:
            return self._astpp_back(error=request.env._("Order 1 to 999 of it."))
        cost = self._astpp_cost(account, product, int(quantity))
        if cost > self._astpp_confirm_above() and confirmed != f"{cost.normalize():f}":
            values = {
                "account": account,
                "product": product,
                "quantity": quantity,
                "cost": cost,
                "page_name": "astpp_services",
            }
            return request.render(
                "astpp_billing.portal_confirm_order",
                self._prepare_portal_layout_values() | values | {"seen": f"{cost.normalize():f}"},
            )

        def sell():
            account._hold_for_order()
            if cost > Decimal(str(account._room_for_orders())):
                if account.payment_mode == "prepaid":
                    raise UserError(request.env._("Your funds do not cover this. Top up your account first."))
                raise UserError(request.env._("Your credit limit does not cover this. Please ask us."))
            # sudo: the order is the customer's own, but portal users may only read sale orders.
            order = (
                request.env["sale.order"]
                .sudo()
                .create(
                    {
                        "partner_id": account.partner_id.id,
                        "company_id": account.company_id.id,
                        "astpp_account_id": account.id,
                        "order_line": [(0, 0, {"product_id": product.id, "product_uom_qty": int(quantity)})],
                    }
                )
            )
            order.action_confirm()

        return self._astpp_try(sell, request.env._("%s is yours now.", product.name), ("order", once))

    def _astpp_own_subscription(self, subscription_id):
        accounts = request.env["astpp.account"]._portal_accounts()
        subscription = (
            request.env["astpp.subscription"]
            .sudo()
            .search(
                [
                    *[("id", "=", subscription_id), ("account_id", "in", accounts.ids), ("state", "=", "active")],
                    # What a reseller pays for a customer's order ends with that order.
                    ("customer_order_ids", "=", False),
                ]
            )
        )
        if not subscription:
            raise request.not_found()
        return subscription

    @route("/my/services/<int:subscription_id>/end", type="http", auth="user", methods=["POST"], website=True)
    def astpp_end(self, subscription_id, **_kw):
        """End an order when its paid period ends."""
        subscription = self._astpp_own_subscription(subscription_id)
        if closed := self._astpp_is_closed(subscription.account_id):
            return closed
        reason = request.env["astpp.close.reason"].sudo()._own("request")

        def close():
            if not subscription._renewed_by_odoo():
                raise UserError(request.env._("Please ask us to end this order."))
            if subscription.next_date:
                subscription.write({"end_date": subscription.next_date, "close_reason_id": reason.id})
            else:
                subscription._terminate(reason)

        return self._astpp_try(close, request.env._("The order ends with the paid period."))

    @route("/my/services/<int:subscription_id>/change", type="http", auth="user", methods=["POST"], website=True)
    def astpp_change(self, subscription_id, product_id="", **_kw):
        """Change an order to another product at the next renewal."""
        subscription = self._astpp_own_subscription(subscription_id)
        if closed := self._astpp_is_closed(subscription.account_id):
            return closed
        offered = {str(product.id): product for product, _price, _fee in self._astpp_offers(subscription.account_id)}
        product = offered.get(product_id)
        if not product or product.astpp_type != subscription.astpp_type or not subscription.next_date:
            raise request.not_found()
        return self._astpp_try(
            lambda: subscription._plan_change(subscription.next_date, product),
            request.env._("%s comes with the next renewal.", product.name),
        )

    @route("/my/topup", type="http", auth="user", methods=["POST"], website=True)
    def astpp_top_up(self, account_id="", amount="", once="", **_kw):
        """Create a top-up's invoice and show it, to be paid like any other."""
        account = self._astpp_own_account(account_id)
        if closed := self._astpp_is_closed(account):
            return closed
        try:
            value = amount_of(request.env, amount, account.server_id.currency_id)
        except UserError as error:
            return self._astpp_back(error=str(error))
        if not 1 <= value <= 10_000:
            return self._astpp_back(error=request.env._("A top-up is 1 to 10,000."))
        try:
            with request.env.cr.savepoint():
                act, first = request.env["astpp.portal.act"]._take("topup", once)
                if not first:
                    return request.redirect(act.url or "/my/services")
                account._hold_for_order()
                # Limited, because each top-up uses a number of the issuer's series.
                waiting = [("account_id", "=", account.id), ("state", "=", "invoiced")]
                if request.env["astpp.topup"].sudo().search_count(waiting) >= MOST_OPEN_TOPUPS:
                    raise UserError(request.env._("Several top-ups wait for your payment. Pay one of them first."))
                topup = request.env["astpp.topup"].sudo().create({"account_id": account.id, "amount": value})
                topup.action_confirm()
                act.url = topup.move_id.get_portal_url()
        except UserError as error:
            return self._astpp_back(error=str(error))
        return request.redirect(act.url)

    @route("/my/coupon", type="http", auth="user", methods=["POST"], website=True)
    def astpp_redeem(self, account_id="", number="", **_kw):
        """Redeem a coupon; after too many wrong numbers the account has to wait a day."""
        account = self._astpp_own_account(account_id)
        if closed := self._astpp_is_closed(account):
            return closed
        if account._guesses_coupons():
            return self._astpp_back(error=request.env._("Too many wrong numbers. Try again tomorrow, or ask us."))
        try:
            with request.env.cr.savepoint():
                request.env["astpp.coupon"].sudo()._redeem(one_line(number, 40), account)
        except UserError as error:
            account._note_coupon_guess()
            return self._astpp_back(error=str(error))
        return self._astpp_back(message=request.env._("The coupon was credited."))

    @route("/my/services/preferences", type="http", auth="user", methods=["POST"], website=True)
    def astpp_preferences(self, account_id="", billing_day="", call_list=None, **post):
        """Save the preferred invoice day and mail preferences, and no other fields."""
        account = self._astpp_own_account(account_id)
        if closed := self._astpp_is_closed(account):
            return closed
        values = {}
        if (
            billing_day.isdecimal()
            and len(billing_day) < 3
            and 1 <= int(billing_day) <= 31
            and account.cycle_unit == "month"
        ):
            values["billing_day"] = int(billing_day)
        if call_list in ("issuer", "none", "file"):
            values["call_list"] = call_list
        if values:
            account.write(values)
        account.partner_id.write({name: name in post for name in MAILS})
        return self._astpp_back(message=request.env._("Saved."))
