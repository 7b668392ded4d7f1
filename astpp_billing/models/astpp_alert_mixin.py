from odoo import models
from odoo.tools import plaintext2html


class AstppAlertMixin(models.AbstractModel):
    """Telling a person that something is wrong, once, and taking it back when it is right again.

    An alert is a warning activity with a key. Nothing else of a record's activities is touched: reminders that
    people set, and alerts of other keys, stay.
    """

    _name = "astpp.alert.mixin"
    _description = "Alerts by Key"
    _inherit = ["mail.activity.mixin"]

    def _alert_user(self):
        """Return who is told: the user responsible for the ASTPP server, if he still works here."""
        self.ensure_one()
        server = self if self._name == "astpp.server" else self.server_id
        # sudo: whoever comes upon the fault need not see the server.
        responsible = server.sudo().responsible_id
        return responsible if responsible.active else self.env.user

    def _raise_alert(self, key, summary, note):
        """Tell the responsible user what is wrong; an alert that is open gets the newest note, and no second mail.

        :param key: names the kind of fault, such as "sync": of each key one alert is open at a time
        :param summary: one line
        :param note: the reason, as text
        """
        text = plaintext2html(note)
        for record in self:
            if known := record._alerts(key):
                known.note = text
                continue
            # sudo: the fault may be met by somebody who sells or pays, and who may not see the record.
            record.sudo().activity_schedule(
                "mail.mail_activity_data_warning",
                user_id=record._alert_user().id,
                summary=summary,
                note=text,
                astpp_alert=key,
            )

    def _clear_alert(self, key):
        """Take back what was told under a key: it is right again."""
        self._alerts(key).unlink()

    def _alerts(self, key):
        """Return the open alerts of these records under a key, sudoed: they are the system's own."""
        domain = [("res_model", "=", self._name), ("res_id", "in", self.ids), ("astpp_alert", "=", key)]
        return self.env["mail.activity"].sudo().search(domain)
