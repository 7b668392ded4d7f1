from odoo import api, fields, models

from ...connector.open_items import read_funds, read_open_invoices
from ...left_out import LeftOut
from ..astpp_guard_mixin import ours


class AstppOpening(models.Model):
    """Read what is open in ASTPP."""

    _inherit = "astpp.opening"

    @api.model
    @ours
    def _read_from(self, server):
        """Bring the opening items of a server up to date with ASTPP.

        An amount that was corrected here stays. What is paid in ASTPP meanwhile goes, unless it is on an entry.

        :return: ``LeftOut`` with the rows that could not be read or have no account here
        """
        left_out = LeftOut()
        with server._open() as database:
            wanted = self._wanted(server, database, left_out)
        known = {(each.kind, each.astpp_id): each for each in self.search([("server_id", "=", server.id)])}
        new = [
            {"server_id": server.id, "kind": kind, "astpp_id": key, "amount": vals["astpp_amount"], **vals}
            for (kind, key), vals in wanted.items()
            if (kind, key) not in known
        ]
        # Of a row that could not be read nothing is known: it is not paid for that.
        known = {key: opening for key, opening in known.items() if key in wanted or key[1] not in left_out.keys}
        for key, opening in known.items():
            opening._follow(wanted.get(key) or {"astpp_amount": 0.0})
        gone = self.union(
            *(opening for key, opening in known.items() if key not in wanted and opening.state != "entered")
        )
        gone.unlink()
        self.create(new)
        return left_out

    @api.model
    def _wanted(self, server, database, left_out):
        """Return {(kind, ASTPP id): values} of what is open in ASTPP."""
        domain = [("server_id", "=", server.id), ("astpp_id", "!=", 0)]
        accounts = {account.astpp_id: account for account in self.env["astpp.account"].search(domain)}
        round_ = server.currency_id.round
        wanted = {}

        def put(kind, key, account_id, name, amount, **vals):
            account = accounts.get(account_id)
            if not account or not account.issuer_id:
                left_out.add(
                    self.env._("%(name)s: its account, ID %(id)s, is not in Odoo", name=name, id=account_id), key
                )
            elif amount := round_(float(amount)):
                about = {"account_id": account.id, "issuer_id": account.issuer_id.id, "name": name}
                wanted[kind, key] = about | {"astpp_amount": amount} | vals

        for invoice in read_open_invoices(database, left_out.add):
            amounts = {"total_amount": round_(float(invoice.total)), "paid_amount": round_(float(invoice.paid))}
            days = {"date": fields.Date.to_date(invoice.date), "date_due": fields.Date.to_date(invoice.due)}
            put(
                "invoice",
                invoice.id,
                invoice.account_id,
                invoice.number,
                invoice.total - invoice.paid,
                **amounts,
                **days,
            )
        for funds in read_funds(database, left_out.add):
            name = self.env._("Credit of account %s", funds.number)
            put("funds", funds.account_id, funds.account_id, name, funds.amount)
        return wanted

    def _follow(self, vals):
        """Take over what changed in ASTPP; of an item on an entry only what is open there now."""
        self.ensure_one()
        if self.state == "entered":
            vals = {"astpp_amount": vals["astpp_amount"]}
        elif self.amount == self.astpp_amount:
            vals = vals | {"amount": vals["astpp_amount"]}
        changes = {name: value for name, value in vals.items() if self._changed(name, value)}
        if changes:
            self.write(changes)

    def _changed(self, name, value):
        old = self[name].id if self._fields[name].type == "many2one" else self[name]
        return old != value
