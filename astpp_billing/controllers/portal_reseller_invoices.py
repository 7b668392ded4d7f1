import io
import zipfile

from markupsafe import Markup

from odoo.addons.portal.controllers.portal import pager as portal_pager
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.http import content_disposition, request, route
from odoo.tools.pdf import merge_pdf

from .form_text import amount_of, amount_text, key_of, one_line, page_of
from .portal_reseller import AstppPortalReseller

# Documents in one download.
MOST_DOCUMENTS = 200


class AstppPortalResellerInvoices(AstppPortalReseller):
    """List, confirm, send and download what was issued in a reseller's name, and register payments."""

    def _astpp_invoice_filters(self):
        return {
            "all": {"label": request.env._("All"), "domain": []},
            "draft": {"label": request.env._("Drafts"), "domain": [("state", "=", "draft")]},
            "open": {
                "label": request.env._("Open"),
                "domain": [("state", "=", "posted"), ("payment_state", "in", ("not_paid", "partial"))],
            },
            "paid": {"label": request.env._("Paid"), "domain": [("payment_state", "in", ("paid", "in_payment"))]},
        }

    def _astpp_invoice_sortings(self):
        return {
            "date": {"label": request.env._("Date"), "order": "invoice_date desc, id desc"},
            "number": {"label": request.env._("Number"), "order": "name desc, id desc"},
            "amount": {"label": request.env._("Amount"), "order": "amount_total_signed desc, id desc"},
        }

    def _astpp_invoice_groupings(self):
        states = dict(request.env["account.move"]._fields["state"]._description_selection(request.env))
        return {
            "none": {"label": request.env._("None"), "order": "", "key": lambda _move: ""},
            "customer": {
                "label": request.env._("Customer"),
                "order": "partner_id",
                "key": lambda move: move.partner_id.display_name,
            },
            "state": {"label": request.env._("Status"), "order": "state", "key": lambda move: states[move.state]},
        }

    @route(["/my/reseller/invoices", "/my/reseller/invoices/page/<int:page>"], type="http", auth="user", website=True)
    def astpp_invoices(
        self, page=1, sortby="date", filterby="all", groupby="none", search=None, search_in="name", **_kw
    ):
        """List the documents issued in the reseller's name."""
        self._astpp_reseller()
        issuers = request.env["astpp.issuer"]._portal_issuers()
        domain = issuers._portal_invoice_domain()
        filters, sortings = self._astpp_invoice_filters(), self._astpp_invoice_sortings()
        domain &= Domain(filters.get(filterby, filters["all"])["domain"])
        inputs = {
            "name": {"input": "name", "label": request.env._("Search in invoice numbers"), "field": "name"},
            "customer": {
                "input": "customer",
                "label": request.env._("Search in customers"),
                "field": "partner_id.name",
            },
        }
        if search and search_in in inputs:
            domain &= Domain(inputs[search_in]["field"], "ilike", one_line(search))
        moves = request.env["account.move"].sudo()
        sortby = sortby if sortby in sortings else "date"
        groupings = self._astpp_invoice_groupings()
        groupby = groupby if groupby in groupings else "none"
        keep = {"sortby": sortby, "filterby": filterby, "groupby": groupby, "search": search, "search_in": search_in}
        pager = portal_pager(
            url="/my/reseller/invoices",
            total=moves.search_count(domain),
            page=page_of(page),
            step=self._items_per_page,
            url_args=keep,
        )
        # Sort by the group first, so that a group's rows stay together across pages.
        order = ", ".join(filter(None, (groupings[groupby]["order"], sortings[sortby]["order"])))
        moves = moves.search(domain, order=order, limit=self._items_per_page, offset=pager["offset"])
        return self._astpp_page(
            "astpp_billing.portal_reseller_invoices",
            "astpp_reseller_invoices",
            moves=moves,
            amount_text=lambda move: amount_text(request.env, move.amount_residual, move.currency_id),
            groups=list(moves.grouped(groupings[groupby]["key"]).items()),
            searchbar_groupby=groupings,
            pager=pager,
            issuers=issuers,
            default_url="/my/reseller/invoices",
            searchbar_filters=filters,
            searchbar_sortings=sortings,
            searchbar_inputs=inputs,
            **(keep | {"filterby": filterby if filterby in filters else "all"}),
        )

    def _astpp_own_moves(self, ids):
        """Return these documents if all of them were issued in the reseller's name, else raise *not found*."""
        self._astpp_reseller()
        wanted = {key_of(key) for key in ids} - {None}
        domain = request.env["astpp.issuer"]._portal_issuers()._portal_invoice_domain()
        moves = request.env["account.move"].sudo().search(domain & Domain("id", "in", list(wanted)))
        if not wanted or len(moves) != len(wanted) or len(wanted) > MOST_DOCUMENTS:
            raise request.not_found()
        return moves

    @route("/my/reseller/invoices/<int:move_id>.pdf", type="http", auth="user")
    def astpp_invoice_pdf(self, move_id, **_kw):
        """Show one document as a PDF."""
        move = self._astpp_own_moves([move_id])
        try:
            request.env["astpp.portal.act"]._spend("pdf")
        except UserError as error:
            return self._astpp_too_much(error)
        content = self._astpp_document(move)
        headers = [("Content-Type", "application/pdf")]
        headers.append(("Content-Disposition", content_disposition(move._astpp_file_name("pdf"))))
        return request.make_response(content, headers)

    def _astpp_document(self, move):
        move._astpp_store_pdf()
        move.invalidate_recordset(["invoice_pdf_report_id"])
        if move.invoice_pdf_report_id:
            return move.invoice_pdf_report_id.raw
        return request.env["ir.actions.report"].sudo()._render_qweb_pdf("account.account_invoices", move.ids)[0]

    @route("/my/reseller/invoices/act", type="http", auth="user", methods=["POST"], website=True)
    def astpp_act(self, act="", **_post):
        """Run an action on the documents selected in the list."""
        self._astpp_reseller()
        url = "/my/reseller/invoices"
        ticked = request.httprequest.form.getlist("move_id")
        if not ticked:
            return self._astpp_notice(error=request.env._("Tick the invoices first."), url=url)
        moves = self._astpp_own_moves(ticked)
        try:
            if act in ("confirm", "discard", "send") and self._astpp_are_closed(moves.astpp_issuer_id.account_id):
                raise UserError(self._astpp_closed_text())
            self._astpp_spend(act, moves)
        except UserError as error:
            return self._astpp_notice(error=str(error), url=url)
        return self._astpp_act_on(act, moves, url)

    def _astpp_act_on(self, act, moves, url):
        drafts = moves.filtered(lambda move: move.state == "draft")
        match act:
            case "confirm":
                return self._astpp_do(
                    lambda: drafts._post(soft=False), request.env._("Confirmed: %s", len(drafts)), url
                )
            case "discard":
                return self._astpp_do(drafts.unlink, request.env._("Discarded: %s", len(drafts)), url)
            case "send":
                posted = moves.filtered(lambda move: move.state == "posted")
                return self._astpp_do(posted._astpp_send_again, request.env._("To be sent: %s", len(posted)), url)
            case "zip":
                return self._astpp_zip(moves)
            case "pdf":
                return self._astpp_one_pdf(moves)
        raise request.not_found()

    def _astpp_spend(self, act, moves):
        """Count actions that take time or reach customers against the user's limits."""
        acts = request.env["astpp.portal.act"]
        if act == "send":
            acts._spend("send", len(moves))
        elif act in ("zip", "pdf"):
            acts._spend("pdf", 1 + len(moves.filtered(lambda move: not move.invoice_pdf_report_id)))

    def _astpp_one_pdf(self, moves):
        moves._astpp_store_pdf()
        content = merge_pdf([self._astpp_document(move) for move in moves])
        name = content_disposition("invoices.pdf", disposition_type="inline")
        return request.make_response(content, [("Content-Type", "application/pdf"), ("Content-Disposition", name)])

    def _astpp_zip(self, moves):
        moves._astpp_store_pdf()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for move in moves:
                archive.writestr(move._astpp_file_name("pdf"), self._astpp_document(move))
        return request.make_response(
            buffer.getvalue(),
            [("Content-Type", "application/zip"), ("Content-Disposition", content_disposition("invoices.zip"))],
        )

    @route("/my/reseller/invoices/<int:move_id>/pay", type="http", auth="user", methods=["POST"], website=True)
    def astpp_pay(self, move_id, amount="", once="", **_kw):
        """Register a payment that the reseller received directly."""
        move, url = self._astpp_own_moves([move_id]), "/my/reseller/invoices"
        if self._astpp_are_closed(move.astpp_issuer_id.account_id):
            return self._astpp_notice(error=self._astpp_closed_text(), url=url)
        journal = move.astpp_issuer_id.payment_journal_id

        def register():
            value = amount_of(request.env, amount, move.currency_id)
            if not journal or move.state != "posted" or not 0 < value <= move.amount_residual:
                raise UserError(request.env._("Enter an amount up to what is open."))
            move.astpp_issuer_id._register_received(move, value)

        return self._astpp_do(register, request.env._("The payment was registered."), url, ("payment", once))

    @route("/my/reseller/invoices/<int:move_id>/credit", type="http", auth="user", methods=["POST"], website=True)
    def astpp_request_credit(self, move_id, reason="", once="", **_kw):
        """Ask the operator for a credit note."""
        move, url = self._astpp_own_moves([move_id]), "/my/reseller/invoices"
        if self._astpp_are_closed(move.astpp_issuer_id.account_id):
            return self._astpp_notice(error=self._astpp_closed_text(), url=url)

        def ask():
            request.env["astpp.portal.act"]._spend("credit_request")
            responsible = move.astpp_account_id.server_id.responsible_id or request.env.ref("base.user_root")
            move.activity_schedule(
                "mail.mail_activity_data_todo",
                user_id=responsible.id,
                summary=request.env._("Credit note asked for by %s", move.astpp_issuer_id.name),
                # Escaped, so that users of the back office are not shown links or images from outside.
                note=Markup("<p>%s</p>") % reason[:500],
            )

        return self._astpp_do(ask, request.env._("We were told, and will see to it."), url, ("credit", once))
