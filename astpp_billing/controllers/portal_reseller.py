from odoo import fields
from odoo.addons.portal.controllers.portal import pager as portal_pager
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.http import request, route
from odoo.tools import plaintext2html

from ..models.parties.astpp_issuer import MAX_NUMBER
from .form_text import one_line, page_of
from .portal import MAILS, AstppPortal

# Fields of a customer's contact that a reseller may change.
CONTACT = ("name", "email", "phone", "street", "city", "zip")
# Numeric settings with their minimum and maximum.
RANGES = {"first_number": (1, MAX_NUMBER), "padding": (1, 9), "notice_days": (0, 365), "due_days": (0, 365)}
LOGO_BYTES = 1 << 20


class AstppPortalReseller(AstppPortal):
    """A reseller's customers and settings."""

    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if "astpp_reseller_count" in counters:
            values["astpp_reseller_count"] = len(request.env["astpp.account"]._portal_resellers())
        return values

    def _astpp_reseller(self):
        """Return the user's resellers, or raise *not found* because only resellers have these pages."""
        resellers = request.env["astpp.account"]._portal_resellers()
        if not resellers:
            raise request.not_found()
        return resellers

    def _astpp_below(self, account_id=None):
        """Return the domain of the accounts below the user's resellers, or of one of these accounts."""
        self._astpp_reseller()
        domain = request.env["astpp.account"]._portal_below_domain()
        if account_id is None:
            return domain
        account = request.env["astpp.account"].sudo().search(domain & Domain("id", "=", account_id))
        if not account:
            raise request.not_found()
        return account

    def _astpp_notice(self, error=None, message=None, url="/my/reseller"):
        request.session["astpp_error"], request.session["astpp_message"] = error, message
        return request.redirect(url)

    def _astpp_do(self, action, message, url, once=None):
        """Run an action for the reseller; on failure, undo all of it and show why.

        :param once: (kind, token) of a form that must not be processed twice
        """
        try:
            with request.env.cr.savepoint():
                if once and not request.env["astpp.portal.act"]._take(*once)[1]:
                    return self._astpp_notice(message=self._astpp_done_already(), url=url)
                action()
        except (UserError, ValidationError) as error:
            return self._astpp_notice(error=str(error), url=url)
        return self._astpp_notice(message=message, url=url)

    def _astpp_page(self, template, page_name, **values):
        return request.render(
            template,
            self._prepare_portal_layout_values()
            | {
                "page_name": page_name,
                "message": request.session.pop("astpp_message", None),
                "error": request.session.pop("astpp_error", None),
                **values,
            },
        )

    @route("/my/reseller", type="http", auth="user", website=True)
    def astpp_dashboard(self, **_kw):
        """Show the open amount, recent usage, upcoming renewals and drafts."""
        self._astpp_reseller()
        issuers = request.env["astpp.issuer"]._portal_issuers()
        figures = issuers._portal_figures(self._astpp_below())
        return self._astpp_page("astpp_billing.portal_reseller", "astpp_reseller", figures=figures, issuers=issuers)

    @route("/my/reseller/usage", type="http", auth="user", methods=["GET"], readonly=True)
    def astpp_usage_chart(self, **_kw):
        """Show recent usage as a chart, which the dashboard loads after the rest of the page."""
        self._astpp_reseller()
        days = request.env["astpp.issuer"]._portal_issuers()._portal_days()
        most = max((amount for _day, _lines, amount in days), default=0) or 1
        return request.render("astpp_billing.portal_reseller_chart", {"days": days, "most": most})

    @route(["/my/reseller/customers", "/my/reseller/customers/page/<int:page>"], type="http", auth="user", website=True)
    def astpp_customers(self, page=1, search=None, search_in="name", **_kw):
        """List and search the accounts below."""
        domain = self._astpp_below()
        inputs = {
            "name": {"input": "name", "label": request.env._("Search in names"), "fields": ["partner_id.name"]},
            "number": {
                "input": "number",
                "label": request.env._("Search in numbers"),
                "fields": ["number", "portal_number"],
            },
        }
        if search and search_in in inputs:
            domain &= Domain.OR(Domain(name, "ilike", one_line(search)) for name in inputs[search_in]["fields"])
        accounts = request.env["astpp.account"].sudo()
        pager = portal_pager(
            url="/my/reseller/customers",
            total=accounts.search_count(domain),
            page=page_of(page),
            step=self._items_per_page,
            url_args={"search": search, "search_in": search_in},
        )
        return self._astpp_page(
            "astpp_billing.portal_reseller_customers",
            "astpp_reseller_customers",
            accounts=accounts.search(domain, order="number", limit=self._items_per_page, offset=pager["offset"]),
            pager=pager,
            default_url="/my/reseller/customers",
            searchbar_inputs=inputs,
            search=search,
            search_in=search_in if search_in in inputs else "name",
        )

    @route("/my/reseller/customers/<int:account_id>", type="http", auth="user", website=True)
    def astpp_customer(self, account_id, **_kw):
        """Show one account below: its services, its invoices and what may be changed."""
        account = self._astpp_below(account_id)
        subscriptions = request.env["astpp.subscription"].sudo()
        issuers = request.env["astpp.issuer"]._portal_issuers()
        moves = request.env["account.move"].sudo()
        return self._astpp_page(
            "astpp_billing.portal_reseller_customer",
            "astpp_reseller_customer",
            account=account,
            subscriptions=subscriptions.search([("account_id", "=", account.id), ("state", "!=", "terminated")]),
            moves=moves.search(
                issuers._portal_invoice_domain() & Domain("astpp_account_id", "=", account.id), limit=20
            ),
            dids=account.did_ids,
            named_by_himself=self._astpp_is_of_reseller(account.partner_id),
        )

    def _astpp_contact_values(self, post):
        return {name: one_line(post[name], 200) for name in CONTACT if post.get(name) is not None}

    def _astpp_may_edit(self, partner, contact):
        """Tell whether the reseller may edit a contact: not if its company has an account elsewhere, or it is internal.

        :raise UserError: when the e-mail address of a user would change, because its owner can reset the password
        """
        mine = Domain(self._astpp_below()) | Domain("id", "in", self._astpp_reseller().ids)
        related = Domain("partner_id", "child_of", partner.commercial_partner_id.id)
        if request.env["astpp.account"].sudo().search_count(related & ~mine, limit=1):
            return False
        users = partner.with_context(active_test=False).user_ids
        if users and contact.get("email", partner.email or "") != (partner.email or ""):
            raise UserError(request.env._("This customer signs in with us and changes the e-mail address himself."))
        return not users.filtered(lambda user: user._is_internal())

    def _astpp_is_of_reseller(self, partner):
        """Tell whether a contact is a reseller's own, whose name and address appear on that reseller's documents."""
        related = Domain("partner_id", "child_of", partner.commercial_partner_id.id)
        resellers = Domain("account_type", "=", "reseller")
        return bool(request.env["astpp.account"].sudo().search_count(related & resellers, limit=1))

    @route("/my/reseller/customers/<int:account_id>/save", type="http", auth="user", methods=["POST"], website=True)
    def astpp_save_customer(self, account_id, billing_day="", invoice_mode="", **post):
        """Save the contact, billing day, invoicing mode and mail preferences of an account below."""
        account = self._astpp_below(account_id)
        url = f"/my/reseller/customers/{account.id}"
        if self._astpp_are_closed(account):
            return self._astpp_notice(error=self._astpp_closed_text(), url=url)

        def save():
            contact = self._astpp_contact_values(post)
            partner = account.partner_id
            if self._astpp_is_of_reseller(partner):
                # A reseller's name and address are on its documents: only it or the operator may change them.
                contact = {}
            elif not contact.get("name"):
                raise UserError(request.env._("A customer needs a name."))
            if contact and self._astpp_may_edit(partner, contact):
                partner.write(contact | {name: name in post for name in MAILS})
            values = {"invoice_enabled": "invoice_enabled" in post}
            values["invoice_mode"] = invoice_mode if invoice_mode in ("draft", "confirm") else False
            if billing_day.isdecimal() and len(billing_day) < 3 and 1 <= int(billing_day) <= 31:
                values["billing_day"] = int(billing_day)
            account.write(values)

        return self._astpp_do(save, request.env._("Saved."), url)

    @route("/my/reseller/customers/new", type="http", auth="user", methods=["POST"], website=True)
    def astpp_new_customer(self, number="", name="", email="", once="", **_kw):
        """Create a customer account directly below the reseller; ASTPP must have an account with the same number."""
        reseller = self._astpp_reseller().filtered(lambda each: each.status != "closed")[:1]
        if not reseller:
            return self._astpp_notice(error=self._astpp_closed_text(), url="/my/reseller/customers")
        number, name, email = one_line(number, 20), one_line(name, 200), one_line(email, 200)

        def create():
            if not number or not name:
                raise UserError(request.env._("An account needs a number and a name."))
            request.env["astpp.portal.act"]._spend("customer")
            named = Domain("number", "=", number) | Domain("portal_number", "=", number)
            # A closed account's number may be reused.
            named &= Domain("status", "!=", "closed")
            if request.env["astpp.account"].sudo().search_count(self._astpp_below() & named, limit=1):
                raise UserError(request.env._("You have a customer with this number."))
            partner = request.env["res.partner"].sudo().create({"name": name, "email": email})
            # sudo: resellers have no access to accounts; this one is created below the user's own reseller account.
            request.env["astpp.account"].sudo()._claim_number(reseller, number, partner)

        message = request.env._("The customer was added.")
        return self._astpp_do(create, message, "/my/reseller/customers", ("customer", once))

    @route("/my/reseller/billing", type="http", auth="user", methods=["GET", "POST"], website=True)
    def astpp_billing(self, act="preview", once="", **_kw):
        """Preview what can be billed in the reseller's name; on POST, bill it."""
        self._astpp_reseller()
        issuers = request.env["astpp.issuer"]._portal_issuers()
        if not issuers:
            raise request.not_found()
        runs = request.env["astpp.billing.run"].sudo().with_company(issuers.company_id[:1])
        today = fields.Date.context_today(runs)
        values = {"company_id": issuers.company_id[:1].id, "issuer_ids": [(6, 0, issuers.ids)]}
        values |= {"date": today, "invoice_date": today}
        if request.httprequest.method == "POST" and act == "run":
            if self._astpp_are_closed(issuers.account_id):
                return self._astpp_notice(error=self._astpp_closed_text())
            return self._astpp_do(
                lambda: runs.create(values).action_run(),
                request.env._("Billing was started."),
                "/my/reseller/invoices",
                ("billing", once),
            )
        run = runs.new(values)
        accounts = request.env["astpp.account"].sudo()
        due = run._preview_due(accounts.search(run._due_domain()))
        accounts = accounts.browse([row["account_id"] for row in due])
        return self._astpp_page(
            "astpp_billing.portal_reseller_billing",
            "astpp_reseller_billing",
            rows=list(zip(accounts, due, strict=True)),
            outcomes=dict(request.env["astpp.billing.preview"]._fields["outcome"]._description_selection(request.env)),
        )

    @route("/my/reseller/settings", type="http", auth="user", methods=["GET", "POST"], website=True)
    def astpp_settings(self, issuer_id=None, **post):
        """Show and save numbering, notices and brand of the reseller's own issuer."""
        self._astpp_reseller()
        issuers = request.env["astpp.issuer"]._portal_issuers()
        if request.httprequest.method == "POST":
            issuer = issuers.filtered(lambda each: str(each.id) == str(issuer_id))
            if not issuer:
                raise request.not_found()
            if self._astpp_are_closed(issuer.account_id):
                return self._astpp_notice(error=self._astpp_closed_text(), url="/my/reseller/settings")
            return self._astpp_do(
                lambda: self._astpp_save_issuer(issuer, post), request.env._("Saved."), "/my/reseller/settings"
            )
        return self._astpp_page("astpp_billing.portal_reseller_settings", "astpp_reseller_settings", issuers=issuers)

    @route("/my/reseller/settings/number", type="http", auth="user", methods=["GET"], readonly=True)
    def astpp_next_number(self, issuer_id=None, prefix="", first_number="", padding="", **_kw):
        """Return the number of the next invoice if the issuer had the settings in the form."""
        self._astpp_reseller()
        issuer = request.env["astpp.issuer"]._portal_issuers().filtered(lambda each: str(each.id) == str(issuer_id))
        if not issuer:
            raise request.not_found()
        values = {"prefix": prefix[:80] or issuer.prefix}
        for name, text, most in (("first_number", first_number, 9), ("padding", padding, 1)):
            values[name] = int(text) if text.isdecimal() and len(text) <= most else issuer[name]
        number = issuer._previewed_number(values)
        return request.make_response(number, [("Content-Type", "text/plain; charset=utf-8")])

    def _astpp_save_issuer(self, issuer, post):
        values = {name: name in post for name in ("notify_reminder", "notify_renewed", "notify_ended", "notify_invoice",
                                                  "notify_payment", "notify_due")}  # fmt: skip
        for name in ("name", "prefix", "overdue_days", "sender_name", "reply_to", "brand_color"):
            if post.get(name) is not None and (post[name].strip() or name not in ("name", "prefix")):
                values[name] = one_line(post[name], 80)
        for name, (least, most) in RANGES.items():
            if str(post.get(name, "")).isdecimal():
                values[name] = int(post[name][:10])
                if not least <= values[name] <= most:
                    raise UserError(request.env._("%(value)s is not between %(least)s and %(most)s.",
                                                  value=values[name], least=least, most=most))  # fmt: skip
        if post.get("invoice_mode") in ("draft", "confirm"):
            values["invoice_mode"] = post["invoice_mode"]
        if post.get("invoice_note") is not None:
            # Escaped: tags in the text are printed, not interpreted.
            values["invoice_note"] = plaintext2html(post["invoice_note"][:1000])
        logo = post.get("logo")
        if logo and getattr(logo, "filename", ""):
            issuer._set_logo(logo.stream.read(LOGO_BYTES + 1))
        if foreign := issuer._foreign_prefix(values.get("prefix", issuer.prefix)):
            raise UserError(request.env._("Choose another prefix than “%s”.", foreign))
        # With this context, an error about a number clash does not reveal other issuers' numbers.
        issuer.with_context(astpp_portal=True).write(values)
