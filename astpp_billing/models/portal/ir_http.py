from werkzeug.exceptions import BadRequest
from werkzeug.routing import ValidationError

from odoo import models
from odoo.addons.base.models.ir_http import SignedIntConverter
from odoo.http import request

OURS = "odoo.addons.astpp_billing."
# What somebody from outside may post: a form, with a logo of at most 1 MB.
MOST_POSTED = 2 << 20
# Python reads no longer numbers, and no id is nearly as long.
MOST_DIGITS = 100


class ShortIntConverter(SignedIntConverter):
    """A number in an address that Python cannot read is a page that is not there, not a fault."""

    def to_python(self, value):
        if len(value) > MOST_DIGITS:
            raise ValidationError()
        return super().to_python(value)


class IrHttp(models.AbstractModel):
    """What all our pages have in common: rights and size before anything is read, no frames, no copies."""

    _inherit = "ir.http"

    @classmethod
    def _get_converters(cls):
        return super()._get_converters() | {"int": ShortIntConverter}

    @classmethod
    def _serve_fallback(cls):
        """Look for no file whose address has what no text has: the database refuses to compare it."""
        return None if "\x00" in request.httprequest.path else super()._serve_fallback()

    @classmethod
    def _pre_dispatch(cls, rule, args):
        """Refuse before the body is read: it may have hundreds of megabytes."""
        endpoint = rule.endpoint
        if not endpoint.original_endpoint.__module__.startswith(OURS):
            return super()._pre_dispatch(rule, args)
        request.astpp_page = True
        res = super()._pre_dispatch(rule, args)
        if request.env.user.share:
            request.httprequest.max_content_length = MOST_POSTED
        for name, value in request.get_http_params().items():
            if "\x00" in name or (isinstance(value, str) and "\x00" in value):
                raise BadRequest(request.env._("The request has characters that no text has."))
        return res

    @classmethod
    def _post_dispatch(cls, response):
        res = super()._post_dispatch(response)
        if getattr(request, "astpp_page", False):
            # Amounts, calls and buttons that pay: in no frame of others, and in no cache that the next one looks into.
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
            response.headers["Cache-Control"] = "no-store"
        return res
