from odoo import api, models
from odoo.fields import Command

OPERATOR = 1


class AstppIssuer(models.Model):
    """Issuers as ASTPP's invoice profiles have them."""

    _inherit = "astpp.issuer"

    @api.model
    def _sync(self, server, records, draft):
        """Make an issuer of each profile; nothing of an issuer that exists is changed.

        A series belongs to Odoo from the first invoice on, so ASTPP's later prefixes and
        numbers must not reach it. The first number is the one after ASTPP's last.

        :param records: iterable of ``connector.records.Issuer``
        :param draft: whether ASTPP leaves new invoices as drafts
        :return: created issuers
        """
        company = server.company_id
        accounts = server._synced_ids("astpp.account")
        existing = {issuer.astpp_id for issuer in self.search([("server_id", "=", server.id)])}
        owned = self.with_context(active_test=False).search([("account_id", "!=", False)]).account_id.ids
        taken = set(self.search([]).mapped("prefix"))  # pylint: disable=no-search-all
        created = self.browse()
        for record in records:
            if record.account_id in existing:
                continue
            vals = {
                "server_id": server.id,
                "astpp_id": record.account_id,
                "first_number": min(record.first_number, 10**8),
                "padding": 6,
                "invoice_mode": "draft" if draft else "confirm",
                "payment_term_id": self._sync_payment_term(record.due_days).id,
                "invoice_note": record.note,
                "notice_days": max(0, record.notify_days),
            }
            if record.account_id == OPERATOR:
                operator = self._operator(company)
                if not operator.invoice_count:
                    operator.write(vals | {"prefix": record.prefix})
                taken.add(operator.prefix)
                created |= operator
            elif (account_id := accounts.get(record.account_id)) and account_id not in owned:
                account = self.env["astpp.account"].browse(account_id)
                prefix = record.prefix if record.prefix not in taken else f"{account.number}-{record.prefix}"
                taken.add(prefix)
                name = record.name or account.partner_id.name
                created |= self.create(
                    vals | {"name": name, "account_id": account_id, "company_id": company.id, "prefix": prefix}
                )
        return created

    @api.model
    def _sync_payment_term(self, days):
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
    def _sync_prices(self, server, records):
        """Put resellers' own prices on their issuers' pricelists.

        :param records: iterable of ``connector.records.ResellerPrice``
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
                wanted.setdefault(issuer, {})[product] = float(record.price), float(record.setup_fee)
        for issuer, prices in wanted.items():
            if not issuer.pricelist_id:
                issuer.pricelist_id = self.env["product.pricelist"].create(
                    {
                        "name": self.env._("Prices of %s", issuer.name),
                        "currency_id": server.currency_id.id,
                        "company_id": server.company_id.id,
                    }
                )
            known = {item.product_id.id: item for item in issuer.pricelist_id.item_ids if item.product_id}
            new = []
            for product, (price, fee) in prices.items():
                item = known.get(product)
                vals = {"fixed_price": price, "astpp_own_setup_fee": True, "astpp_setup_fee": fee}
                if not item:
                    new.append(Command.create({"product_id": product, "compute_price": "fixed", **vals}))
                elif (item.fixed_price, item.astpp_setup_fee) != (price, fee):
                    item.write(vals)
                    written += 1
            written += len(new)
            if new:
                issuer.pricelist_id.item_ids = new
        return written
