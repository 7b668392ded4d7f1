from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.http import request

from ..models.astpp_usage_import import RefusedFileError


class UsageImportController(http.Controller):
    # Not through a binary field: its base64 would hold the whole file in memory.
    @http.route(
        "/astpp_billing/usage_import/<int:import_id>",
        type="http",
        auth="user",
        methods=["POST"],
        max_content_length=4 << 30,
    )
    def usage_import(self, import_id, ufile=None, **_kwargs):
        """Import the uploaded file into the ledger; the import keeps why it was refused.

        :return: JSON ``{}``, or ``{"error": text}``
        """
        usage_import = request.env["astpp.usage.import"].browse(import_id).exists()
        if not usage_import or not ufile:
            return request.make_json_response({"error": request.env._("No file arrived. Choose it once more.")})
        try:
            usage_import._import_stream(ufile.stream, ufile.filename)
        except RefusedFileError as error:
            request.env.cr.rollback()
            usage_import._refuse(ufile.filename, str(error))
        except (UserError, AccessError) as error:
            request.env.cr.rollback()
            return request.make_json_response({"error": str(error)})
        return request.make_json_response({"error": usage_import.refusal} if usage_import.refusal else {})
