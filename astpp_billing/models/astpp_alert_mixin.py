from odoo import models
from odoo.tools import plaintext2html


class AstppAlertMixin(models.AbstractModel):
    """Raise an alert when something goes wrong with a record, and clear it once the fault is gone.

    An alert is a warning activity with a key. Other activities of the record, such as people's own reminders and
    alerts with other keys, are left alone.
    """

    _name = "astpp.alert.mixin"
    _description = "Alerts by Key"
    _inherit = ["mail.activity.mixin"]

    def _alert_user(self):
        """Return who gets the alert: the user responsible for the ASTPP server if active, else the current user."""
        self.ensure_one()
        server = self if self._name == "astpp.server" else self.server_id
        # sudo: the current user may not have access to the server.
        responsible = server.sudo().responsible_id
        return responsible if responsible.active else self.env.user

    def _raise_alert(self, key, summary, note):
        """Alert the responsible user to a fault; an open alert only gets the new note, without another mail.

        :param key: the kind of fault, such as "sync"; at most one alert per record and key is open at a time
        :param summary: one line
        :param note: the reason, as plain text
        """
        text = plaintext2html(note)
        for record in self:
            if known := record._alerts(key):
                known.note = text
                continue
            # sudo: the current user, a salesperson or paying customer for instance, may not have access to the record.
            record.sudo().activity_schedule(
                "mail.mail_activity_data_warning",
                user_id=record._alert_user().id,
                summary=summary,
                note=text,
                astpp_alert=key,
            )

    def _clear_alert(self, key):
        """Remove the open alerts with this key: the fault is gone."""
        self._alerts(key).unlink()

    def _alerts(self, key):
        """Return the open alerts of these records with this key, sudoed: alerts belong to the system, not to a user."""
        domain = [("res_model", "=", self._name), ("res_id", "in", self.ids), ("astpp_alert", "=", key)]
        return self.env["mail.activity"].sudo().search(domain)
