from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from odoo.addons.portal.controllers.portal import CustomerPortal
from odoo.fields import Domain
from odoo.http import request
from odoo.tools.misc import get_lang

from ..charge_types import CALLS
from ..models.ledger.usage_state import BILLED, UNBILLED
from .form_text import no_amount, number_of, one_line


class AstppPortalChargeControls(CustomerPortal):
    """Filters, sorting and grouping of the charge history."""

    def _astpp_charge_filters(self):
        return {
            "all": {"label": request.env._("All"), "domain": []},
            "unbilled": {"label": request.env._("Not billed yet"), "domain": UNBILLED.domain},
            "billed": {"label": request.env._("Billed"), "domain": BILLED.domain},
            "calls": {"label": request.env._("Calls"), "domain": [("charge_type", "in", CALLS)]},
            "outbound": {"label": request.env._("Outgoing calls"), "domain": [("direction", "=", "outbound")]},
            "inbound": {"label": request.env._("Incoming calls"), "domain": [("direction", "=", "inbound")]},
            "fees": {
                "label": request.env._("Fees"),
                "domain": [("charge_type", "not in", CALLS), ("amount", ">", 0)],
            },
            "credits": {"label": request.env._("Credits"), "domain": [("amount", "<", 0)]},
        }

    def _astpp_charge_sortings(self):
        return {
            "date": {"label": request.env._("Newest"), "order": "date desc, id desc"},
            "oldest": {"label": request.env._("Oldest"), "order": "date, id"},
            "amount": {"label": request.env._("Amount"), "order": "amount desc, date desc, id desc"},
            "duration": {"label": request.env._("Duration"), "order": "duration desc, date desc, id desc"},
        }

    def _astpp_charge_inputs(self):
        return {
            "number": {"input": "number", "label": request.env._("Search in numbers"), "fields": ("callee", "caller")},
            "text": {
                "input": "text",
                "label": request.env._("Search in descriptions"),
                "fields": ("description", "destination"),
            },
            "invoice": {
                "input": "invoice",
                "label": request.env._("Search in invoice numbers"),
                "fields": ("name",),
            },
            "amount": {"input": "amount", "label": request.env._("Amounts from"), "fields": ()},
        }

    def _astpp_charge_groupings(self):
        types = dict(request.env["astpp.usage"]._fields["charge_type"]._description_selection(request.env))
        unbilled = request.env._("Not billed yet")
        return {
            "none": {"label": request.env._("None"), "order": "", "key": lambda _charge, _named: ""},
            "account": {
                "label": request.env._("Account"),
                "order": "account_id",
                "key": lambda charge, _named: charge.account_id.display_name,
            },
            "service": {
                "label": request.env._("Service"),
                "order": "charge_type",
                "key": lambda charge, _named: types.get(charge.charge_type, ""),
            },
            "invoice": {
                "label": request.env._("Invoice"),
                "order": "move_id desc",
                "key": lambda charge, named: (charge.move_id & named).name or unbilled,
            },
        }

    def _astpp_charge_periods(self, tz):
        """Return {key: (label, start, end)} of the months to choose from: local months, bounds in naive UTC."""
        today = datetime.now(UTC).astimezone(ZoneInfo(tz)).date()
        month = today.replace(day=1)

        def instant(day):
            return datetime.combine(day, time(), ZoneInfo(tz)).astimezone(UTC).replace(tzinfo=None)

        return {
            "month": (request.env._("This month"), instant(month), None),
            "last": (request.env._("Last month"), instant(month - relativedelta(months=1)), instant(month)),
            "quarter": (request.env._("Three months"), instant(month - relativedelta(months=2)), None),
            "year": (request.env._("This year"), instant(month.replace(month=1)), None),
            "all": (request.env._("All time"), None, None),
        }

    def _astpp_search_error(self, search, search_in):
        """Return what is wrong with a search term, or None."""
        wrong = search and search_in == "amount" and number_of(search, get_lang(request.env)) is None
        return wrong and no_amount(request.env, search)

    def _astpp_charge_domain(self, scope, move, tz, filterby, period, search, search_in):
        """Narrow the user's charges by the page's filters, period and search; unknown values are ignored."""
        domain = scope & Domain(self._astpp_charge_filters().get(filterby, {"domain": []})["domain"])
        start, end = self._astpp_charge_periods(tz).get(period, ("", None, None))[1:]
        if start and not move:
            domain &= Domain("date", ">=", start)
        if end and not move:
            domain &= Domain("date", "<", end)
        if search and search_in == "amount":
            least = number_of(search, get_lang(request.env))
            domain &= Domain.FALSE if least is None else Domain("amount", ">=", float(least))
        elif search and search_in in self._astpp_charge_inputs():
            names = self._astpp_charge_inputs()[search_in]["fields"]
            found = Domain.OR(Domain(name, "ilike", one_line(search)) for name in names)
            domain &= (
                Domain("move_id", "any", found & self._astpp_document_domain()) if search_in == "invoice" else found
            )
        return domain
