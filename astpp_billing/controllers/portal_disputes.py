from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.http import request, route

from ..models.ledger.usage_state import NOT_HELD
from .form_text import key_of, one_line
from .portal import AstppPortal

# Lines that one dispute may have.
MOST_DISPUTED = 200


class AstppPortalDisputes(AstppPortal):
    """A customer disputes single calls and charges of an invoice."""

    @route("/my/invoices/<int:invoice_id>/dispute", type="http", auth="user", methods=["POST"], website=True)
    def astpp_dispute(self, invoice_id, reason="", once="", **_kw):
        """Ask for a credit of the ticked lines of an invoice that was sent to the user's company."""
        move = (
            request.env["account.move"].sudo().search(Domain("id", "=", invoice_id) & self._astpp_disputable_domain())
        )
        if not move:
            raise request.not_found()
        ticked = request.httprequest.form.getlist("usage_id")[:MOST_DISPUTED]
        ids = [key for text in ticked if (key := key_of(text)) is not None]
        accounts = request.env["astpp.account"]._portal_used_accounts()
        # sudo: portal users have no access to the ledger; the domain limits them to their own charges.
        usage = request.env["astpp.usage"].sudo()
        own = request.env["astpp.account"]._portal_usage_domain(accounts) & NOT_HELD.domain
        usage = usage.search(own & Domain("id", "in", ids) & Domain("move_id", "=", move.id))
        error = message = None
        try:
            with request.env.cr.savepoint():
                if not request.env["astpp.portal.act"]._take("dispute", once)[1]:
                    message = self._astpp_done_already()
                else:
                    request.env["astpp.portal.act"]._spend("dispute")
                    # sudo: portal users have no access to disputes; invoice and lines are their own.
                    request.env["astpp.dispute"].sudo()._ask(move, usage, one_line(reason, 500))
                    message = request.env._("We were told, and will see to it.")
        except UserError as refusal:
            error = str(refusal)
        request.session["astpp_error"], request.session["astpp_message"] = error, message
        return request.redirect(f"/my/charges?invoice_id={move.id}")
