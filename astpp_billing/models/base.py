from odoo import models

from .astpp_guard_mixin import OWN


class Base(models.AbstractModel):
    """The mark that lets our own methods write readonly fields: see ``astpp.guard.mixin``."""

    _inherit = "base"

    def _astpp_own(self):
        """Return these records marked so that readonly fields can be written; access rights and rules still apply."""
        return self.with_context(astpp_own=OWN)

    def _is_astpp_own(self):
        return self.env.su or self.env.context.get("astpp_own") is OWN
