from functools import partial

from odoo import api, models
from odoo.fields import Command
from odoo.tools import plaintext2html

from ...connector import readers
from ...left_out import put_away

OPERATOR = 1


class AstppIssuer(models.Model):
    """Create issuers from ASTPP's invoice profiles."""

    _inherit = "astpp.issuer"

    @api.model
    def _sync(self, run):
        """Mirror ASTPP's invoice profiles."""
        profiles = list(readers.read_issuers(run.database, run.left_out.add))
        draft = run.settings.get("automatic_invoice") == "1"
        created = self._mirror(run.server, profiles, draft, run.left_out)
        run.note(len(profiles), len(created), 0)

    @api.model
    def _mirror(self, server, records, draft, left_out):
        """Create an issuer for each profile; existing issuers are not changed.

        Odoo owns a number series from its first invoice on, so later changes of prefix or number in ASTPP must not
        affect it. The first number follows ASTPP's last one.

        :param records: iterable of ``connector.records.Issuer``
        :param draft: whether ASTPP leaves new invoices as drafts
        :param left_out: ``LeftOut`` that collects profiles that Odoo refuses
        :return: created issuers
        """
        accounts = server._synced_ids("astpp.account")
        existing = {issuer.astpp_id for issuer in self.search([("server_id", "=", server.id)])}
        owned = self.with_context(active_test=False).search([("account_id", "!=", False)]).account_id.ids
        created = self.browse()

        def make(profiles):
            return self.union(*(self._make(server, each, accounts.get(each.account_id), draft) for each in profiles))

        for record in records:
            account_id = accounts.get(record.account_id)
            is_free = record.account_id == OPERATOR or (account_id and account_id not in owned)
            if record.account_id not in existing and is_free:
                # One by one, because the choice of a prefix depends on those already taken.
                created |= created.union(*put_away(self, [record], make, left_out, self._profile_name))
        return created

    @api.model
    def _profile_name(self, record):
        return self.env._("Invoice profile of the account with the ID %s", record.account_id)

    @api.model
    def _make(self, server, record, account_id, draft):
        """Return a profile's issuer, created; the operator's exists, and is updated while it has no invoices."""
        vals = {
            "server_id": server.id,
            "astpp_id": record.account_id,
            "first_number": min(record.first_number, 10**8),
            "padding": 6,
            "invoice_mode": "draft" if draft else "confirm",
            "payment_term_id": self._payment_term(record.due_days).id,
            # Escaped: tags in the text are printed, not interpreted.
            "invoice_note": record.note and plaintext2html(record.note),
            "notice_days": max(0, record.notify_days),
        }
        if record.account_id == OPERATOR:
            operator = self._operator(server.company_id)
            if not operator.invoice_count:
                operator.write(vals | {"prefix": record.prefix})
            return operator
        account = self.env["astpp.account"].browse(account_id)
        taken = self.search_count([("prefix", "=", record.prefix)], limit=1)
        return self.create(
            vals
            | {
                "name": record.name or account.partner_id.name,
                "account_id": account_id,
                "company_id": server.company_id.id,
                "prefix": f"{account.number}-{record.prefix}" if taken else record.prefix,
            }
        )

    @api.model
    def _payment_term(self, days):
        terms = self.env["account.payment.term"]
        domain = [*terms._check_company_domain(self.env.company), ("line_ids.nb_days", "=", days)]
        for term in terms.search(domain):
            line = term.line_ids
            if len(line) == 1 and line.delay_type == "days_after" and not term.early_discount:
                return term
        return terms.create(
            {
                "name": self.env._("%s days", days),
                "line_ids": [Command.create({"value": "percent", "value_amount": 100, "nb_days": days})],
            }
        )

    @api.model
    def _put_all_prices(self, server, records, left_out):
        """Add resellers' own prices to their issuers' pricelists.

        :param records: iterable of ``connector.records.ResellerPrice``
        :param left_out: ``LeftOut`` that collects prices that Odoo refuses
        :return: number of prices written
        """
        accounts = server._synced_ids("astpp.account")
        products = server._synced_product_ids()
        issuers = {issuer.account_id.id: issuer for issuer in self.search([("account_id", "!=", False)])}
        written = 0
        wanted = {}
        for record in records:
            issuer, product = issuers.get(accounts.get(record.account_id)), products.get(record.product_id)
            if issuer and product:
                wanted.setdefault(issuer, {})[product] = record
        for issuer, prices in wanted.items():
            issuer._make_pricelist(server)
            known = {item.product_id.id: item for item in issuer.pricelist_id.item_ids if item.product_id}
            news = [
                (product, record)
                for product, record in prices.items()
                if product not in known
                or (known[product].fixed_price, known[product].astpp_setup_fee)
                != (float(record.price), float(record.setup_fee))
            ]
            written += sum(put_away(self, news, partial(issuer._put_prices, known), left_out, self._price_name))
        return written

    @api.model
    def _price_name(self, row):
        _product, record = row
        return self.env._(
            "Price of the account with the ID %(account)s for the product with the ID %(product)s",
            account=record.account_id,
            product=record.product_id,
        )

    def _make_pricelist(self, server):
        """Create a pricelist for an issuer that has none."""
        self.ensure_one()
        if not self.pricelist_id:
            self.pricelist_id = self.env["product.pricelist"].create(
                {
                    "name": self.env._("Prices of %s", self.name),
                    "currency_id": server.currency_id.id,
                    "company_id": server.company_id.id,
                }
            )

    def _put_prices(self, known, rows):
        """Add or update prices on the issuer's pricelist.

        :param known: {product id: existing pricelist item}
        :param rows: list of (product id, ``ResellerPrice``)
        :return: number of prices written
        """
        self.ensure_one()
        new = []
        for product, record in rows:
            vals = {
                "fixed_price": float(record.price),
                "astpp_own_setup_fee": True,
                "astpp_setup_fee": float(record.setup_fee),
            }
            if product in known:
                known[product].write(vals)
            else:
                new.append(Command.create({"product_id": product, "compute_price": "fixed", **vals}))
        if new:
            self.pricelist_id.item_ids = new
        return len(rows)
