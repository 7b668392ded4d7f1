"""Notes that came from ASTPP as HTML lose what the PDF engine would fetch from elsewhere."""

from psycopg2.extras import Json

from odoo.addons.astpp_billing.document_sources import loads_from_elsewhere, own_sources_only
from odoo.tools import html_sanitize


def migrate(cr, version):
    """Keep the words of each language; notes that load nothing stay as they are."""
    cr.execute("SELECT id, invoice_note FROM astpp_issuer WHERE invoice_note IS NOT NULL")
    for issuer_id, notes in cr.fetchall():
        clean = {
            language: html_sanitize(own_sources_only(f"<div>{note}</div>")) if loads_from_elsewhere(note) else note
            for language, note in notes.items()
        }
        if clean != notes:
            cr.execute("UPDATE astpp_issuer SET invoice_note = %s WHERE id = %s", (Json(clean), issuer_id))
