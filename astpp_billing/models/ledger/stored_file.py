"""An uploaded file that waits for its import: kept as attachments of a few megabytes, so that none of it fills memory."""

import tempfile
from typing import BinaryIO

# Size in bytes of a part.
PART = 4 << 20
FIELD = "file_part"


def store(usage_import, stream: BinaryIO) -> int:
    """Keep a file as parts.

    :param usage_import: ``astpp.usage.import``
    :return: size in bytes
    """
    # sudo: parts are nobody's to read.
    attachments, size, number = usage_import.env["ir.attachment"].sudo(), 0, 0
    while part := stream.read(PART):
        attachments.create(
            {
                "name": f"{number:06d}",
                "res_model": usage_import._name,
                "res_id": usage_import.id,
                "res_field": FIELD,
                "type": "binary",
                # Odoo indexes the words of what looks like text.
                "mimetype": "application/octet-stream",
                "raw": part,
            }
        )
        attachments.env.flush_all()
        attachments.invalidate_model()
        size, number = size + len(part), number + 1
    return size


def parts(usage_import, field=FIELD):
    """Return the attachments that an import's file is kept in, in order."""
    return (
        usage_import.env["ir.attachment"]
        .sudo()
        .search(
            [("res_model", "=", usage_import._name), ("res_id", "in", usage_import.ids), ("res_field", "=", field)],
            order="name, id",
        )
    )


def opened(usage_import) -> BinaryIO:
    """Return a stored file as a temporary one: while COPY takes what is read, the database cannot be asked for more."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed with what reads it)
    for part in parts(usage_import):
        file.write(part.raw)
        part.invalidate_recordset(["raw"])
    file.seek(0)
    return file
