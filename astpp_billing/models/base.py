from odoo import models

from .astpp_guard_mixin import OWN


class Base(models.AbstractModel):
    """Writing what only our own methods write: see ``astpp.guard.mixin``."""

    _inherit = "base"

    def _astpp_own(self):
        """Return these records for our own methods: they may write readonly fields; rights and rules go on."""
        return self.with_context(astpp_own=OWN)

    def _is_astpp_own(self):
        return self.env.su or self.env.context.get("astpp_own") is OWN
