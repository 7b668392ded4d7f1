import logging

from odoo import models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

_logger = logging.getLogger(__name__)


class AstppUsage(models.Model):
    """Refills of postpaid accounts stay unbilled in the ledger until they are booked: see ``account.move``."""

    _inherit = "astpp.usage"

    _refill_idx = models.Index("(account_id) WHERE charge_type = 'topup'")

    def _try_book_refills(self):
        """Book these refills together, or one by one when that fails; a failure raises an alert on its account."""
        try:
            with self.env.cr.savepoint():
                self.env["account.move"]._astpp_book_refills(self)
            self.account_id._clear_alert("refill")
            return
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:
            self.env.invalidate_all()
            if len(self) == 1:
                if not isinstance(error, UserError):
                    _logger.exception("Refill %s cannot be booked", self.id)
                self.account_id._raise_alert("refill", self.env._("A refill could not be booked"), str(error))
                return
        for usage in self:
            usage._try_book_refills()
