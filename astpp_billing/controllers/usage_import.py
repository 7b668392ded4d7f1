import io

from werkzeug.exceptions import Forbidden, NotFound

from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.http import request

from ..models.ledger.astpp_usage_import import RefusedFileError

# Maximum size of a file in bytes.
MAX_FILE = 4 << 30
# A file up to this size is imported while the user waits: it takes a second.
AT_ONCE = 1 << 20


def _allowed_size(_controller):
    """Return the maximum size of the request, checking before the body is read that the user may import.

    :raise Forbidden: when the user may not import, or not into this import
    """
    number = request.httprequest.path.rstrip("/").rpartition("/")[2]
    if not (number.isdecimal() and len(number) < 10):
        raise NotFound
    usage_import = request.env["astpp.usage.import"]
    if not usage_import.has_access("write"):
        raise Forbidden
    found = usage_import.browse(int(number)).exists()
    if found and not found.has_access("write"):
        raise Forbidden
    return MAX_FILE


class UsageImportController(http.Controller):
    # Not a binary field, whose base64 would hold the whole file in memory.
    @http.route(
        "/astpp_billing/usage_import/<int:import_id>",
        type="http",
        auth="user",
        methods=["POST"],
        max_content_length=_allowed_size,
    )
    def usage_import(self, import_id, ufile=None, **_kwargs):
        """Import the uploaded file into the ledger, a large one in the background; the import keeps the outcome.

        :return: JSON ``{}``, or ``{"error": text}``
        """
        usage_import = request.env["astpp.usage.import"].browse(import_id).exists()
        if not usage_import or not ufile:
            return request.make_json_response({"error": request.env._("No file arrived. Choose it once more.")})
        try:
            if _size(ufile.stream) > AT_ONCE:
                usage_import._receive(ufile.stream, ufile.filename)
            else:
                usage_import._import_stream(ufile.stream, ufile.filename)
        except RefusedFileError as error:
            request.env.cr.rollback()
            usage_import._refuse(ufile.filename, str(error))
        except (UserError, AccessError) as error:
            request.env.cr.rollback()
            return request.make_json_response({"error": str(error)})
        return request.make_json_response({"error": usage_import.refusal} if usage_import.refusal else {})


def _size(stream):
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return size
