from werkzeug.exceptions import BadRequest
from werkzeug.routing import ValidationError

from odoo import models
from odoo.addons.base.models.ir_http import SignedIntConverter
from odoo.http import request

OURS = "odoo.addons.astpp_billing."
# Maximum size of what portal users may post: a form with a logo of at most 1 MB.
MOST_POSTED = 2 << 20
# Python refuses to parse much longer numbers, and no id comes near this length.
MOST_DIGITS = 100


class ShortIntConverter(SignedIntConverter):
    """Answer *not found* for a number in a URL that is too long for Python to parse, instead of failing."""

    def to_python(self, value):
        if len(value) > MOST_DIGITS:
            raise ValidationError()
        return super().to_python(value)


class IrHttp(models.AbstractModel):
    """Common rules for our pages: check rights and size before reading the body, forbid framing and caching."""

    _inherit = "ir.http"

    @classmethod
    def _get_converters(cls):
        return super()._get_converters() | {"int": ShortIntConverter}

    @classmethod
    def _serve_fallback(cls):
        """Skip the file lookup for URLs with a null character, which PostgreSQL refuses to compare."""
        return None if "\x00" in request.httprequest.path else super()._serve_fallback()

    @classmethod
    def _pre_dispatch(cls, rule, args):
        """Check rights and limit the size before the body is read, because it may have hundreds of megabytes."""
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
            # Our pages show amounts and calls and have payment buttons: allow no foreign frames and no caching.
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
            response.headers["Cache-Control"] = "no-store"
        return res
