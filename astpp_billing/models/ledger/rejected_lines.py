"""The lines of a file that were rejected, with the reasons: collected piece by piece, and offered as one file."""

import gzip
import io
import tempfile

from ...connector.call_headings import FileError
from ...csv_file import CsvWriter
from .stored_file import parts

# Size in bytes above which the list of rejected lines is compressed.
MAX_PLAIN_REJECTS = 5 << 20
# At most so many rejected lines are listed, and so many characters of each: every line of a file may be wrong.
MAX_REJECTS = 50_000
MAX_REJECT = 1000
# A file whose first lines are all wrong is no list of calls.
HOPELESS = 500_000
FIELD = "rejects_part"


class RejectedLines:
    """Counts rejected lines and writes the first ``MAX_REJECTS`` of a file as CSV, a part for each piece of the file.

    :param usage_import: ``astpp.usage.import``, with the number of lines that earlier pieces rejected
    """

    def __init__(self, usage_import):
        self._import = usage_import
        self._before = usage_import.rejected_count
        self._is_all = not usage_import.line_count
        self._begin_part()

    def _begin_part(self):
        self.count = 0
        # A piece may be all wrong.
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: SIM115
        env = self._import.env
        headings = [env._("Line"), env._("Reason"), env._("Content")]
        self._writer = CsvWriter(self._file, headings if not self._before else None)

    def __call__(self, number, reason, line):
        self.count += 1
        if self._is_all and self.count > HOPELESS and number <= HOPELESS + 2:
            raise FileError(f"none of its first {HOPELESS} lines can be read: {reason}")
        if self._before + self.count > MAX_REJECTS:
            return
        text = line.rstrip("\r\n")
        if len(text) > MAX_REJECT:
            text = f"{text[:MAX_REJECT]}…"
        self._writer.add([number, reason, text])

    def end_part(self):
        """Keep what was rejected since the last time; returns how many lines that were."""
        count = self.count
        self._is_all = False
        if count:
            self._file.flush()
            self._file.buffer.seek(0)
            if raw := self._file.buffer.read():
                _attach(self._import, FIELD, f"{self._before:012d}", raw)
        self._file.close()
        self._before += count
        self._begin_part()
        return count


def offer(usage_import, name):
    """Make one file of the parts, in the field ``rejects_file``.

    :param name: of the file without ending
    :return: the file's name, "" when no line was rejected
    """
    usage_import.ensure_one()
    found = parts(usage_import, FIELD)
    if not found:
        return ""
    more = usage_import.rejected_count - MAX_REJECTS
    tail = ""
    if more > 0:
        text = usage_import.env._("%(more)s more lines were rejected and are not listed.", more=more)
        tail = f"\r\n{text}\r\n"
    is_long, name = sum(found.mapped("file_size")) > MAX_PLAIN_REJECTS, f"{name}.csv"
    content = io.BytesIO()
    target = gzip.GzipFile(fileobj=content, mode="wb") if is_long else content
    for part in found:
        target.write(part.raw)
        part.invalidate_recordset(["raw"])
    target.write(tail.encode())
    if is_long:
        name += ".gz"
        target.close()
    parts(usage_import, "rejects_file").unlink()
    # As an attachment with raw content: writing base64 to the field would hold it in memory three times.
    _attach(usage_import, "rejects_file", "rejects_file", content.getvalue(), "text/csv")
    found.unlink()
    usage_import.invalidate_recordset(["rejects_file"])
    return name


def _attach(usage_import, field, name, raw, mimetype="application/octet-stream"):
    usage_import.env["ir.attachment"].sudo().create(
        {
            "name": name,
            "res_model": usage_import._name,
            "res_field": field,
            "res_id": usage_import.id,
            "type": "binary",
            "mimetype": mimetype,
            "raw": raw,
        }
    )
