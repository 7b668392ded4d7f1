from odoo import fields, models

from .sync_steps import STEPS

READ_ONCE = {step.name for step in STEPS if step.is_read_once}


class AstppSyncStep(models.Model):
    """Progress and last result of one step of a server's synchronisation."""

    _name = "astpp.sync.step"
    _description = "Synchronisation Step"
    _order = "server_id, sequence"
    _rec_name = "step"

    server_id = fields.Many2one("astpp.server", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True)
    sequence = fields.Integer()
    step = fields.Selection([(step.name, step.label) for step in STEPS], required=True)
    state = fields.Selection(
        [("waiting", "Waiting"), ("running", "Running"), ("done", "Done"), ("failed", "Failed")],
        default="waiting",
        required=True,
    )
    read_count = fields.Integer(string="Rows Read")
    remaining_count = fields.Integer(string="Rows Left")
    added_count = fields.Integer(string="Added")
    changed_count = fields.Integer(string="Changed")
    left_out_count = fields.Integer(string="Rows Left Out", help="Rows that could not be taken over: see the message.")
    seconds = fields.Float(string="Duration", digits=(16, 1), help="Seconds.")
    rate = fields.Integer(string="Rows per Second", compute="_compute_rate")
    message = fields.Text()
    date = fields.Datetime(string="Last Run")

    _step_uniq = models.Constraint("UNIQUE(server_id, step)", "A server has each step once.")

    def _compute_rate(self):
        for step in self:
            step.rate = int(step.read_count / step.seconds) if step.seconds else 0

    def _begin(self):
        """Mark the step as running."""
        self.ensure_one()
        counts = dict.fromkeys(("read_count", "added_count", "changed_count", "left_out_count", "seconds"), 0)
        self.write({**counts, "state": "running", "date": fields.Datetime.now()})

    def _end(self, seconds):
        """Mark the step as done."""
        self.ensure_one()
        self.write({"state": "done", "remaining_count": 0, "seconds": seconds})

    def _note(self, read, added, changed, left_out, remark=""):
        """Record the step's result, and the rows that were left out with their reasons.

        :param left_out: ``LeftOut``
        :param remark: further text for the message
        """
        self.ensure_one()
        lines = [remark] if remark else []
        if left_out.count:
            lines += [self.env._("%s rows are left out:", left_out.count), *left_out.reasons]
        self.write(
            {
                "read_count": read,
                "added_count": added,
                "changed_count": changed,
                "left_out_count": left_out.count,
                "message": "\n".join(lines) or False,
            }
        )

    def _tell_left_out(self, before):
        """Alert the responsible user to rows left out, unless they know already.

        :param before: number of rows left out by the previous run
        """
        self.ensure_one()
        key = f"left_out_{self.step}"
        if self.left_out_count > before or (self.left_out_count and self.server_id._alerts(key)):
            name = dict(self._fields["step"]._description_selection(self.env))[self.step]
            self.server_id._raise_alert(key, self.env._("Rows of ASTPP are left out: %s", name), self.message)
        elif not self.left_out_count and self.step not in READ_ONCE:
            self.server_id._clear_alert(key)
