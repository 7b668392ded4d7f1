import json

from odoo import api, fields, models
from odoo.tools import SQL

from ...left_out import put_away
from ...three_way import news, plain

# What a contact has of its account in ASTPP, and follows while nobody has changed it here.
FOLLOWED = ("name", "email", "phone", "street", "street2", "zip", "city", "country_id")


class AstppAccount(models.Model):
    """Find or create the customers of accounts that are new in Odoo, and let their contacts follow ASTPP."""

    _inherit = "astpp.account"

    astpp_contact = fields.Json(
        string="Contact in ASTPP", readonly=True, copy=False, help="Name and address as they were last read from ASTPP."
    )

    @api.model
    def _find_partners(self, records, left_out):
        """Return {ASTPP id: partner id}: matched by account number, then by e-mail and name, else created.

        Accounts that cannot be given a partner are added to ``left_out``.
        """
        partners = self.env["res.partner"]
        company_domain = partners._check_company_domain(self.env.company)
        by_number = self._partners_by_number(records, company_domain)
        emails = {record.email.lower() for record in records if record.email}
        by_email = {
            (partner.email_normalized, partner.name.casefold()): partner.id
            for partner in partners.search([*company_domain, ("email_normalized", "in", list(emails))])
            if partner.name
        }
        claimed = self._claimed_partners(list({*by_number.values(), *by_email.values()}))
        found, missing = {}, {}
        for record in records:
            key = ((record.email or "").lower(), record.name.casefold())
            match = by_number.get(record.id) or (record.email and by_email.get(key))
            if match and claimed.get(match, record.parent_id) == record.parent_id:
                found[record.id] = match
            else:
                # Accounts with the same e-mail and name belong to one customer and share a partner.
                missing.setdefault(key if record.email else record.id, []).append(record)
        countries = {country.code: country.id for country in self.env["res.country"].search([("code", "!=", False)])}

        def create(groups):
            # New partners have no parent or children to synchronise fields with.
            created = partners.with_context(_partners_skip_fields_sync=True).create(
                [self._partner_vals(group[0], countries) for group in groups]
            )
            return {record.id: partner.id for group, partner in zip(groups, created, strict=True) for record in group}

        groups = [tuple(group) for group in missing.values()]
        for made in put_away(partners, groups, create, left_out, lambda group: self._row_name(group[0].id)):
            found |= made
        left_out.keys.update(record.id for record in records if record.id not in found)
        return found

    @api.model
    def _partners_by_number(self, records, company_domain):
        """Return {ASTPP id: partner id} of the partners whose reference is the account's number.

        ASTPP may give a deleted account's number to another customer. So a partner who has or had an account with this
        number is not matched, and of several new accounts with one number the live one gets the partner.
        """
        claims = {}
        for record in sorted(records, key=lambda record: (record.deleted, record.id)):
            claims.setdefault(record.number, record.id)
        found = self.env["res.partner"].search([*company_domain, ("ref", "in", list(claims))])
        # sudo: an account in any company or on any server means that the partner is taken.
        accounts = self.sudo().search([("partner_id", "in", found.ids), ("number", "in", list(claims))])
        taken = {(account.partner_id.id, account.number) for account in accounts}
        return {claims[partner.ref]: partner.id for partner in found if (partner.id, partner.ref) not in taken}

    @api.model
    def _claimed_partners(self, partner_ids):
        """Return {partner id: ASTPP id of the reseller who entered it}; other resellers' accounts must not match it."""
        made = self.search([("partner_id", "in", partner_ids), ("portal_reseller_id", "!=", False)])
        return {each.partner_id.id: each.astpp_id and each.portal_reseller_id.astpp_id for each in made}

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

    @api.model
    def _follow_contacts(self, server, records, left_out):
        """Take names and addresses that changed in ASTPP over to the contacts, where nobody has changed them here.

        :param records: list of ``connector.records.Account``
        :param left_out: ``LeftOut`` that collects contacts that cannot be changed
        """
        self.flush_model(["server_id", "astpp_id", "partner_id", "astpp_contact"])
        rows = self.env.execute_query(
            SQL(
                "SELECT astpp_id, id, partner_id, astpp_contact FROM astpp_account WHERE server_id = %s AND astpp_id <> 0",
                server.id,
            )
        )
        accounts = {astpp_id: values for astpp_id, *values in rows}
        countries = {country.code: country.id for country in self.env["res.country"].search([("code", "!=", False)])}
        news_of, snapshots = {}, {}
        for record in records:
            if record.id not in accounts or record.deleted:
                continue
            account_id, partner_id, before = accounts[record.id]
            values = self._partner_vals(record, countries)
            now = plain({name: values[name] for name in FOLLOWED})
            if now != before:
                snapshots[record.id] = (account_id, now)
                if before:
                    news_of[record.id] = (partner_id, before, now)

        def follow(keys):
            for partner_id, before, now in map(news_of.get, keys):
                partner = self.env["res.partner"].browse(partner_id)
                here = plain(partner.read(FOLLOWED, load=None)[0])
                if changes := news(before, now, here):
                    partner.write(changes)
            return keys

        put_away(self, list(news_of), follow, left_out, self._row_name)
        # Who could not be changed is tried again.
        kept = [values for key, values in snapshots.items() if key not in left_out.keys]
        self.env.cr.execute(
            SQL(
                "UPDATE astpp_account a SET astpp_contact = new.contact::jsonb"
                "  FROM unnest(%s::int[], %s::text[]) AS new(id, contact) WHERE a.id = new.id",
                [account_id for account_id, _contact in kept],
                [json.dumps(contact) for _account_id, contact in kept],
            )
        )
        self.invalidate_model(["astpp_contact"])
