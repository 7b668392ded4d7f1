import secrets

from odoo.addons.portal.controllers.portal import pager as portal_pager
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.http import request, route

from ..models.ledger.usage_state import NOT_HELD
from .charge_export import TYPES, charge_file
from .form_text import key_of, page_of
from .portal_charge_controls import AstppPortalChargeControls

# Pages counted beyond the current one.
PAGES_AHEAD = 10
# Fields that say which mails a customer wants; set by the customer or by the reseller above.
MAILS = ("astpp_mail_invoices", "astpp_mail_reminders", "astpp_mail_services")


class AstppPortal(AstppPortalChargeControls):
    """The charge history of a customer, and of a reseller's customers."""

    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if {"astpp_account_count", "astpp_charge_count"} & set(counters):
            count = len(request.env["astpp.account"]._portal_used_accounts())
            values |= {name: count for name in ("astpp_account_count", "astpp_charge_count") if name in counters}
        return values

    def _astpp_charge_scope(self, **kw):
        """Return (domain, account, invoice) of the requested charges, limited to those the user may see.

        These are charges of accounts while they were the user's, or since they came below the user's resellers. Held
        charges are left out, because they are nobody's charge yet.
        """
        accounts = request.env["astpp.account"].sudo()
        scope = request.env["astpp.account"]._portal_used_accounts()
        below = request.env["astpp.account"]._portal_below_domain()
        account = accounts.browse()
        if (asked := key_of(kw.get("account_id"))) is not None:
            account = accounts.search(Domain("id", "=", asked) & (Domain("id", "in", scope.ids) | below), limit=1)
            if not account:
                raise request.not_found()
        if (kw.get("below") and not account) or (account and account not in scope):
            domain = request.env["astpp.account"]._portal_below_usage_domain()
            domain &= Domain("account_id", "=", account.id) if account else Domain.TRUE
        else:
            domain = request.env["astpp.account"]._portal_usage_domain(account or scope)
        domain &= NOT_HELD.domain
        move = request.env["account.move"].sudo().browse()
        if (asked := key_of(kw.get("invoice_id"))) is not None:
            move = move.search(self._astpp_document_domain() & Domain("id", "=", asked))
            if not move:
                raise request.not_found()
            domain &= move._astpp_usage_domain()
        return domain, account, move

    def _astpp_document_domain(self):
        """Return the domain of the documents that the user may see: addressed to the user or issued in the user's name.

        Any others are hidden, since a charge of an account below may be on a document of a reseller in between.
        """
        partner = request.env.user.partner_id.commercial_partner_id
        issued = request.env["astpp.issuer"]._portal_issuers()._portal_invoice_domain()
        received = Domain("partner_id", "child_of", partner.id) & Domain(
            "move_type", "in", ("out_invoice", "out_refund")
        )
        return (issued | received) & Domain("state", "=", "posted")

    def _astpp_disputable_domain(self):
        """Return the domain of the invoices whose lines the user may dispute: addressed to the user, and confirmed."""
        partner = request.env.user.partner_id.commercial_partner_id
        return Domain(
            [
                *[("partner_id", "child_of", partner.id), ("move_type", "=", "out_invoice"), ("state", "=", "posted")],
                ("astpp_run_id", "!=", False),
            ]
        )

    def _astpp_may_dispute(self, move):
        return bool(move and move.filtered_domain(self._astpp_disputable_domain()))

    @route(["/my/charges", "/my/charges/page/<int:page>"], type="http", auth="user", website=True, readonly=True)
    def astpp_charges(
        self,
        page=1,
        sortby="date",
        filterby="all",
        groupby="none",
        period="month",
        search=None,
        search_in="number",
        **kw,
    ):
        """Show the charge history of the user's accounts or of those below."""
        scope, account, move = self._astpp_charge_scope(**kw)
        page = page_of(page)
        # sudo: portal users have no access to the ledger; the domain limits them to their own charges.
        usage = request.env["astpp.usage"].sudo()
        tz = (account or request.env["astpp.account"]._portal_accounts())[:1].tz or "UTC"
        domain = self._astpp_charge_domain(scope, move, tz, filterby, period, search, search_in)
        sortings = self._astpp_charge_sortings()
        sortby = sortby if sortby in sortings else "date"
        keep = {"sortby": sortby, "filterby": filterby, "period": period, "search": search, "search_in": search_in}
        groupings = self._astpp_charge_groupings()
        groupby = groupby if groupby in groupings else "none"
        keep |= {"groupby": groupby}
        keep |= {name: kw[name] for name in ("account_id", "invoice_id", "below") if kw.get(name)}
        # Count only a few pages ahead, because counting millions of lines would delay the first page.
        most = (page + PAGES_AHEAD) * self._items_per_page
        count = usage.search_count(domain, limit=most)
        pager = portal_pager(url="/my/charges", total=count, page=page, step=self._items_per_page, url_args=keep)
        order = ", ".join(filter(None, (groupings[groupby]["order"], sortings[sortby]["order"])))
        charges = usage.search(domain, order=order, limit=self._items_per_page, offset=pager["offset"])
        documents = request.env["account.move"].sudo()
        documents = documents.search(self._astpp_document_domain() & Domain("id", "in", charges.move_id.ids))
        values = self._prepare_portal_layout_values() | {
            "page_name": "astpp_charges",
            "charges": charges,
            "documents": documents,
            "groups": list(charges.grouped(lambda charge: groupings[groupby]["key"](charge, documents)).items()),
            "searchbar_groupby": groupings,
            "account": account,
            "accounts": request.env["astpp.account"]._portal_used_accounts(),
            "invoice_shown": move,
            "totals": usage._charged(domain) if count < most else None,
            "search_error": self._astpp_search_error(search, search_in),
            "may_dispute": self._astpp_may_dispute(move),
            # sudo: portal users have no access to disputes; the invoice is one that they may see.
            "disputes": request.env["astpp.dispute"].sudo().search([("move_id", "in", move.ids)], limit=20),
            "message": request.session.pop("astpp_message", None),
            "error": request.session.pop("astpp_error", None),
            "pager": pager,
            "default_url": "/my/charges",
            "searchbar_sortings": sortings,
            "searchbar_filters": self._astpp_charge_filters(),
            "searchbar_inputs": self._astpp_charge_inputs(),
            "periods": {key: label for key, (label, _start, _end) in self._astpp_charge_periods(tz).items()},
            **keep,
        }
        return request.render("astpp_billing.portal_charges", values)

    @route("/my/charges/totals", type="http", auth="user", methods=["GET"], readonly=True)
    def astpp_charges_totals(self, filterby="all", period="month", search=None, search_in="number", **kw):
        """Sum up what the page shows, in a request of its own that the page need not wait for."""
        scope, account, move = self._astpp_charge_scope(**kw)
        tz = (account or request.env["astpp.account"]._portal_accounts())[:1].tz or "UTC"
        domain = self._astpp_charge_domain(scope, move, tz, filterby, period, search, search_in)
        # sudo: as above.
        totals = request.env["astpp.usage"].sudo()._charged(domain)
        return request.render("astpp_billing.portal_charge_totals", {"totals": totals})

    # Not readonly, because the request is counted against the user's limit.
    @route("/my/charges.<string:kind>", type="http", auth="user", methods=["GET"])
    def astpp_charges_file(self, kind, filterby="all", period="month", search=None, search_in="number", **kw):
        """Download the charges that the page shows.

        :param kind: csv, xlsx or pdf
        """
        if kind not in TYPES:
            raise request.not_found()
        scope, account, move = self._astpp_charge_scope(**kw)
        tz = (account or request.env["astpp.account"]._portal_accounts())[:1].tz or "UTC"
        domain = self._astpp_charge_domain(scope, move, tz, filterby, period, search, search_in)
        try:
            request.env["astpp.portal.act"]._spend("export")
        except UserError as error:
            return self._astpp_too_much(error)
        return charge_file(request.env["astpp.usage"].sudo(), domain, kind, self._astpp_document_domain())

    def _prepare_portal_layout_values(self):
        # A new token for each form.
        return super()._prepare_portal_layout_values() | {"once": lambda: secrets.token_hex(16)}

    def _astpp_done_already(self):
        return request.env._("This was sent more than once, and done once.")

    def _astpp_are_closed(self, accounts):
        """Tell whether any of these accounts is, or is below, a closed reseller account of the user's.

        Then the user may only look, pay and download: a closed reseller cannot act for accounts below.
        """
        own = request.env["astpp.account"]._portal_resellers()
        above = {int(key) for account in accounts for key in (account.parent_path or "").split("/") if key}
        return any(reseller.status == "closed" for reseller in own if reseller.id in above)

    def _astpp_closed_text(self):
        return request.env._("Your account is closed. You can look, pay and download.")

    def _astpp_too_much(self, error):
        """Return the response to a user who requests too many files."""
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "600")]
        return request.make_response(str(error), headers, status=429)

    def _astpp_own_account(self, account_id):
        """Return one of the user's own accounts, or raise *not found*."""
        accounts = request.env["astpp.account"]._portal_accounts()
        account = accounts.filtered(lambda each: str(each.id) == str(account_id))
        if not account:
            raise request.not_found()
        return account
