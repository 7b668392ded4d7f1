from datetime import UTC, datetime

import pytz

from odoo import api, models
from odoo.tools import SQL


class AstppAccount(models.Model):
    """Accounts as ASTPP has them, and their customers."""

    _inherit = "astpp.account"

    # The switch decides these; all else may be changed here and stays.
    _astpp_owned = frozenset({"number", "account_type", "parent_id", "payment_mode", "status"})

    @api.model
    def _sync(self, server, records):
        """Mirror accounts, the ones above first.

        :param records: list of ``connector.records.Account``
        :return: (created, changed)
        """
        self._recognise_numbers(server, records)
        known = {
            account.astpp_id: account.id
            for account in self.search([("server_id", "=", server.id), ("astpp_id", "!=", 0)])
        }
        currencies = self._sync_currencies(records)
        taxes = {tax.astpp_id: tax.tax_ids.ids for tax in self.env["astpp.tax"].search([("server_id", "=", server.id)])}
        partners = self._find_partners([record for record in records if record.id not in known])
        created = changed = self.browse()
        waiting = records
        while waiting:
            ids = {record.id for record in waiting}
            # A parent that is a deleted row or below itself must not hold up its accounts.
            level = [record for record in waiting if record.parent_id not in ids or record.parent_id == record.id]
            level = level or waiting
            wanted = {}
            for record in level:
                vals = self._synced_vals(server, record, known, currencies, taxes)
                if record.id not in known:
                    vals |= self._first_vals(server, record, partners)
                wanted[record.id] = vals
            new, different = self._merge_accounts(server, wanted)
            known |= {account.astpp_id: account.id for account in new}
            created, changed = created | new, changed | different
            done = {record.id for record in level}
            waiting = [record for record in waiting if record.id not in done]
        self._sync_funds(server, records)
        return created, changed

    @api.model
    def _recognise_numbers(self, server, records):
        """Take accounts that were made in Odoo before ASTPP told of them for what they are: by their number.

        What ASTPP owns, the reseller above among it, follows with the merge.
        """
        by_number = {record.number: record.id for record in records if not record.deleted}
        unknown = [("server_id", "=", server.id), ("astpp_id", "in", (0, False)), ("number", "in", list(by_number))]
        for account in self.search(unknown):
            account.astpp_id = by_number[account.number]

    @api.model
    def _sync_funds(self, server, records):
        """Note what ASTPP has left for each account; it moves with every call, so in one statement."""
        self.env["astpp.account"].flush_model(["available_funds"])
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_account a SET available_funds = new.funds
                  FROM unnest(%s::int[], %s::numeric[]) AS new(astpp_id, funds)
                 WHERE a.server_id = %s AND a.astpp_id = new.astpp_id AND a.available_funds IS DISTINCT FROM new.funds
                """,
                [record.id for record in records],
                [record.available for record in records],
                server.id,
            )
        )
        self.invalidate_model(["available_funds"])

    @api.model
    def _merge_accounts(self, server, wanted):
        """Merge, leaving out of the comparison what is said once, when an account is made."""
        first = {"partner_id", "billed_until", "available_funds"}
        existing = self.search([("server_id", "=", server.id), ("astpp_id", "in", list(wanted))])
        if server._writes("invoicing"):
            # ASTPP's switch is off because Odoo invoices.
            first.add("invoice_enabled")
        kept = dict.fromkeys(existing.mapped("astpp_id"), first)
        for account in self.env["astpp.outbox"]._unapplied(server, "account_id", "account"):
            kept[account.astpp_id] = first | {"status", "credit_limit"}
        for account in existing.filtered(lambda a: a.status == "closed"):
            # ASTPP knows closed accounts as inactive ones.
            if wanted[account.astpp_id]["status"] == "suspended":
                wanted[account.astpp_id]["status"] = "closed"
        return self._merge_synced(
            server,
            {
                key: {name: value for name, value in vals.items() if name not in kept.get(key, ())}
                for key, vals in wanted.items()
            },
        )

    @api.model
    def _synced_vals(self, server, record, known, currencies, taxes):
        status = "closed" if record.deleted else "active" if record.active else "suspended"
        zone = record.timezone if record.timezone in pytz.all_timezones_set else None
        return {
            "number": record.number,
            "account_type": record.account_type,
            "parent_id": known.get(record.parent_id, False) if record.parent_id != record.id else False,
            "payment_mode": "postpaid" if record.postpaid else "prepaid",
            "status": status,
            "cycle_unit": record.cycle_unit,
            "billing_day": record.billing_day,
            "invoice_enabled": record.invoice_enabled,
            "credit_limit": float(record.credit_limit),
            "commission_based": record.account_type == "reseller" and record.commission_based,
            "tz": zone or server.company_id.partner_id.tz or "UTC",
            "currency_id": currencies.get(record.currency) or server.currency_id.id,
            "tax_ids": sorted({tax for key in record.tax_ids for tax in taxes.get(key, [])}),
        }

    @api.model
    def _first_vals(self, server, record, partners):
        """Values that only a new account gets: Odoo's business from then on."""
        start = server.sync_from or datetime.now(UTC).replace(tzinfo=None)
        return {
            "partner_id": partners[record.id],
            "billed_until": start,
            "available_funds": float(record.available),
        }

    @api.model
    def _sync_currencies(self, records):
        """Return {code: id} of the accounts' currencies, made active."""
        codes = {record.currency for record in records if record.currency}
        currencies = self.env["res.currency"].with_context(active_test=False).search([("name", "in", list(codes))])
        # Any accounting administrator may synchronise; a currency in use must be active.
        currencies.filtered(lambda currency: not currency.active).sudo().active = True
        return {currency.name: currency.id for currency in currencies}

    @api.model
    def _find_partners(self, records):
        """Return {ASTPP id: partner id}: by account number, then by e-mail and name, else new."""
        partners = self.env["res.partner"]
        company_domain = partners._check_company_domain(self.env.company)
        numbers = [record.number for record in records]
        by_number = {partner.ref: partner.id for partner in partners.search([*company_domain, ("ref", "in", numbers)])}
        emails = {record.email.lower() for record in records if record.email}
        by_email = {
            (partner.email_normalized, partner.name.casefold()): partner.id
            for partner in partners.search([*company_domain, ("email_normalized", "in", list(emails))])
            if partner.name
        }
        found, missing = {}, {}
        for record in records:
            key = ((record.email or "").lower(), record.name.casefold())
            match = by_number.get(record.number) or (record.email and by_email.get(key))
            if match:
                found[record.id] = match
            else:
                # Accounts of one ASTPP customer share a contact when e-mail and name are the same.
                missing.setdefault(key if record.email else record.id, []).append(record)
        countries = {country.code: country.id for country in self.env["res.country"].search([("code", "!=", False)])}
        groups = list(missing.values())
        # Nobody is above or below these contacts: there are no fields to pass on.
        created = partners.with_context(_partners_skip_fields_sync=True).create(
            [self._partner_vals(group[0], countries) for group in groups]
        )
        for group, partner in zip(groups, created, strict=True):
            found |= {record.id: partner.id for record in group}
        return found

    @api.model
    def _partner_vals(self, record, countries):
        return {
            "name": record.name,
            "is_company": bool(record.company),
            "ref": record.number,
            "email": record.email,
            "phone": record.phone,
            "street": record.street,
            "street2": record.street2,
            "zip": record.zip,
            "city": record.city,
            "country_id": countries.get(record.country, False),
            "vat": False,
            "comment": record.tax_number and self.env._("Tax number in ASTPP: %s", record.tax_number),
        }
