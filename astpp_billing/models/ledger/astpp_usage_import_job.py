import logging
import os
import time
from collections import Counter
from itertools import islice

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ...connector.call_headings import FileError
from ...connector.report_clock import report_zone
from ..astpp_guard_mixin import ours
from ..job_time import JobTime
from .astpp_usage_import import OtherCurrencyError, RefusedFileError, printable
from .rejected_lines import RejectedLines, offer
from .stored_file import opened, parts, store

_logger = logging.getLogger(__name__)

# Calls per transaction, and so the most that an interrupted import reads again.
PIECE = 50_000
# Jobs that may end without having loaded a piece.
MOST_ATTEMPTS = 5
# From so many new calls on, PostgreSQL's statistics of the table are refreshed at once.
MANY = 100_000


class _Piece:
    """The next records of a file; ``last`` is the number of the last line once they were taken."""

    def __init__(self, records, last):
        self._records = records
        self.last, self.count = last, 0

    def __iter__(self):
        for number, record in islice(self._records, PIECE):
            self.last, self.count = number, self.count + 1
            yield number, record


class AstppUsageImport(models.Model):
    """Work through a file of calls: piece by piece, each with the place up to which it was read, in one transaction.

    Whatever ends a job between two pieces, the next one goes on at that place.
    """

    _inherit = "astpp.usage.import"

    # Bytes; a file may have more than an integer can hold.
    size = fields.Float(digits=(20, 0), readonly=True)
    progress = fields.Float(readonly=True, help="How much of the file was read, in percent.")
    last_line = fields.Integer(readonly=True, help="Up to which the file was read.")
    exception_counts = fields.Json(readonly=True)
    is_stopping = fields.Boolean(readonly=True)
    in_background = fields.Boolean(readonly=True)
    attempts = fields.Integer(readonly=True, help="Jobs that began since the last piece was loaded.")

    @ours
    def _import_stream(self, stream, filename):
        """Add the calls of a file to the ledger at once and record the outcome.

        The file is streamed, so it may have any length. A file in another currency is marked as refused, with the
        reason, before any of its lines is loaded.

        :param stream: seekable binary file, CSV (plain or gzip) or XLSX
        :param filename: the name shown to users
        :raise RefusedFileError: when the file is not a list of calls or is empty; roll back the transaction then
        """
        self._begin(stream, filename)
        try:
            for _piece in self._pieces(stream):
                pass
        except OtherCurrencyError as error:
            self._refuse(filename, str(error))
        except FileError as error:
            raise RefusedFileError(self.env._("%(file)s: %(reason)s", file=filename, reason=error)) from error

    @ours
    def _receive(self, stream, filename):
        """Keep a file that is to be imported in the background, as soon as possible."""
        self._begin(stream, filename)
        self.write({"state": "waiting", "in_background": True, "size": store(self, stream)})
        # sudo: scheduled actions are for system administrators; accountants may import.
        self.env.ref("astpp_billing.ir_cron_import").sudo()._trigger()

    def _begin(self, stream, filename):
        """Check that this import takes a file from this user.

        :raise UserError: when it has one already, or another process works on it
        """
        self.ensure_one()
        self.check_access("write")
        if not self.env.su and self.server_id.company_id not in self.env.companies:
            raise AccessError(self.env._("This ASTPP server belongs to another company."))
        if not self.try_lock_for_update():
            raise UserError(self.env._("This import is running. Wait for its end."))
        if self.state != "new":
            raise UserError(self.env._("This import is done. Start a new one for another file."))
        self.name = printable(filename)

    def _pieces(self, stream):
        """Load a file into the ledger from where it stopped, a piece an iteration; then the import is done.

        :raise FileError: when the file cannot be imported, or the rest of it cannot be read
        """
        reject = RejectedLines(self)
        records = self._reader(stream)(
            stream, report_zone(self.tz, self.clock), reject, self._accept, self.last_line, self._type_of_untyped()
        )
        # sudo: accountants can only read the ledger, and add to it by importing.
        usage = self.env["astpp.usage"].sudo()
        while True:
            started = time.monotonic()
            piece = _Piece(records, self.last_line)
            counts = usage._load_calls(self.server_id, piece, self)
            self._count(counts, reject.end_part(), piece.last, time.monotonic() - started)
            if piece.count < PIECE:
                break
            self.progress = min(99.0, 100.0 * stream.tell() / self.size) if self.size else 0.0
            yield
        self._end()
        yield

    def _count(self, counts, rejected, last, seconds):
        """Add what became of a piece, and note up to which line the file was read."""
        exceptions = Counter(self.exception_counts or {}) + Counter(counts["exceptions"])
        self.write(
            {
                "line_count": self.line_count + counts["read"] + rejected,
                "added_count": self.added_count + counts["added"],
                "known_count": self.known_count + counts["known"],
                "rejected_count": self.rejected_count + rejected,
                "exception_count": sum(exceptions.values()),
                "exception_counts": dict(exceptions),
                "exception_summary": self._exception_summary(exceptions),
                "seconds": self.seconds + seconds,
                "last_line": last,
                "attempts": 0,
            }
        )

    def _end(self):
        """Finish an import all of whose lines were read.

        :raise RefusedFileError: when there was none
        """
        if not self.line_count:
            raise RefusedFileError(self.env._("%s: there are no calls in it.", self.name))
        name = f"rejected-{os.path.basename(self.name).split('.')[0]}-{self.id}"
        self.write({"state": "done", "progress": 100.0, "rejects_name": offer(self, name)})
        if self.added_count >= MANY:
            self.env["astpp.usage"].sudo()._tell_planner()
        parts(self).unlink()

    @api.model
    def _cron_import(self):
        """Work through waiting files, in the order of their arrival; what time does not allow goes on in a job anew."""
        progress, limits = self.env["ir.cron"], JobTime()
        waiting = self.search([("state", "in", ("waiting", "running"))], order="id")
        progress._commit_progress(remaining=len(waiting))
        for usage_import in waiting:
            of_user = usage_import.with_context(lang=usage_import.create_uid.lang).with_company(usage_import.company_id)
            if not of_user._work(limits):
                self.env.ref("astpp_billing.ir_cron_import")._trigger()
                break
            progress._commit_progress(1)
        # A job with a rest is called again at once, within the same limits.
        progress._commit_progress(remaining=0)

    @ours
    def _work(self, limits):
        """Go on with this import, and commit each piece.

        :param limits: ``JobTime``
        :return: whether it came to its end
        """
        commit = self.env["ir.cron"]._commit_progress
        try:
            if not self.is_stopping:
                self.write({"state": "running", "attempts": self.attempts + 1})
                commit()
                if self.attempts > MOST_ATTEMPTS:
                    raise UserError(
                        self.env._(
                            "%(jobs)s jobs ended before they came beyond the line %(line)s. Split the file, or give "
                            "scheduled actions more time (limit_time_cpu, limit_time_real_cron).",
                            jobs=MOST_ATTEMPTS,
                            line=self.last_line,
                        )
                    )
                with opened(self) as file:
                    for _piece in self._pieces(file):
                        commit()
                        self.invalidate_recordset(["is_stopping"])
                        if self.state == "done" or self.is_stopping:
                            break
                        if limits.is_up:
                            return False
            if self.is_stopping and self.state != "done":
                self._take_all_back("cancelled")
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            # Another process was at the same totals, or somebody pressed Cancel.
            self.env.cr.rollback()
            return False
        except Exception as error:
            self.env.cr.rollback()
            if not isinstance(error, (FileError, UserError)):
                _logger.exception("Import %s of %s failed", self.id, self.name)
            reason = str(error) if isinstance(error, (FileError, UserError)) else f"{type(error).__name__}: {error}"
            self._take_all_back("refused")
            self.refusal = printable(reason)
        self._tell_end()
        commit()
        return True

    def _take_all_back(self, state):
        """Remove what came of a file that is not imported after all; what was billed meanwhile stays.

        :param state: "cancelled" or "refused"
        """
        self._take_back()
        if self.state == "undone":
            self.state = state
        self.is_stopping = False
        (parts(self) | parts(self, "rejects_part")).unlink()

    @ours
    def action_cancel(self):
        """Stop the import and take back what came of it."""
        for usage_import in self:
            usage_import.check_access("write")
            if usage_import.state not in ("waiting", "running"):
                raise UserError(self.env._("This import is not running."))
            usage_import.is_stopping = True
        # sudo: as in ``_receive``.
        self.env.ref("astpp_billing.ir_cron_import").sudo()._trigger()
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    def _tell_end(self):
        """Tell whoever uploaded the file what became of it."""
        self.ensure_one()
        user = self.create_uid
        if not self.in_background or user._is_superuser():
            return
        states = dict(self._fields["state"]._description_selection(self.env))
        title = self.env._("Import of %(file)s: %(state)s", file=self.name, state=states[self.state])
        text = self.refusal or self.env._(
            "%(read)s lines read, %(added)s added, %(known)s known already, %(held)s to be checked, %(rejected)s rejected.",
            read=self.line_count,
            added=self.added_count,
            known=self.known_count,
            held=self.exception_count,
            rejected=self.rejected_count,
        )
        kind = "success" if self.state == "done" and not self.exception_count + self.rejected_count else "warning"
        user._bus_send("simple_notification", {"type": kind, "title": title, "message": text})
        self.env["mail.thread"].message_notify(
            partner_ids=user.partner_id.ids, subject=title, body=text, model=self._name, res_id=self.id
        )
