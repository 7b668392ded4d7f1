from collections import Counter
from datetime import timedelta

import pytz

from odoo import api, fields, models
from odoo.tools import SQL

from ...connector import readers
from ...connector.calls import first_calls_under
from ...left_out import put_away


class AstppAccount(models.Model):
    """Mirror ASTPP's accounts and create their customers."""

    _inherit = "astpp.account"

    # ASTPP always decides these fields, because its switch goes by them; changes of all others in Odoo are kept.
    _astpp_owned = frozenset({"number", "account_type", "parent_id", "payment_mode", "status"})

    @api.model
    def _sync(self, run):
        """Mirror ASTPP's accounts with their taxes, while ASTPP's server sums up its calls."""
        run.server._take_base_currency(run.settings.get("base_currency"))
        taxes_left_out = self.env["astpp.tax"]._sync(run)
        records = list(readers.read_accounts(run.database, run.left_out.add))
        known = self.search([("server_id", "=", run.server.id)])
        parents = {account.id: account.parent_id for account in known}
        with run.adding_up_hours():
            created, changed = self._mirror(run.server, records, run.left_out, taxes_left_out.keys)
        self._date_moves(run, changed.filtered(lambda a: a.parent_id != parents.get(a.id, a.parent_id)))
        self._follow_contacts(run.server, records, run.left_out)
        run.left_out.include(taxes_left_out)
        remarks = filter(None, (self._unclear_zones(records, created), created._take_over_remark()))
        run.note(len(records), len(created), len(changed), "\n".join(remarks))

    @api.model
    def _unclear_zones(self, records, created):
        """Say which new accounts have a time zone that ASTPP 4 does not tell: an offset that several zones share."""
        unclear = {record.id for record in records if record.zone_unclear}
        names = created.filtered(lambda account: account.astpp_id in unclear).mapped("number")
        text = self.env._(
            "This version of ASTPP keeps time zones as offsets, which several zones share. These accounts have the "
            "company's time zone; correct it on their form where it is another: %s",
            ", ".join(names),
        )
        return text if names else ""

    @api.model
    def _date_moves(self, run, moved):
        """Date the terms of accounts that moved to another reseller from their first call under it, not from today.

        Accounts that have not called yet moved when it was noticed. Those below a reseller move with it.

        :param run: ``SyncRun``
        """
        if not moved or not (since := run.server.sync_date):
            return
        under = {account.astpp_id: account.parent_id.astpp_id or 0 for account in moved if account.astpp_id}
        # The last synchronisation may have been reading when the account moved.
        since = fields.Datetime.to_string(since - timedelta(hours=2))
        first_calls = first_calls_under(run.database, under, since)
        for account in moved.filtered(lambda a: a.astpp_id in first_calls):
            date = first_calls[account.astpp_id]
            new = account._below().term_ids.filtered(lambda term: term.date_from >= run.started)
            # An earlier change after that call is dated right already.
            early = new.filtered(
                lambda term, date=date: not term.account_id.term_ids.filtered(
                    lambda t: date <= t.date_from < run.started
                )
            )
            early.write({"date_from": date})

    @api.model
    def _mirror(self, server, records, left_out, lost_taxes):
        """Create and update accounts from ASTPP, parents first.

        :param records: list of ``connector.records.Account``
        :param left_out: ``LeftOut`` that collects the accounts that cannot be mirrored
        :param lost_taxes: ids of taxes that exist in ASTPP but could not be mirrored
        :return: (created, changed)
        """
        # Calls of unknown accounts go to the best match for their number, so create all accounts before adopting calls.
        accounts = self.with_context(astpp_adopt_later=True)
        accounts._recognise_numbers(server, records)
        closed = accounts._close_deleted(server, records, left_out)
        clear = accounts._without_clashes(server, records, left_out)
        created, changed = accounts._merge_levels(server, clear, left_out, lost_taxes)
        changed |= closed
        (created | changed).with_context(astpp_adopt_later=False)._adopt_usage()
        self._note_funds(server, records)
        self._note_billed(server, records)
        return created, changed

    @api.model
    def _merge_levels(self, server, records, left_out, lost_taxes):
        """Merge accounts level by level; a new account whose reseller or taxes are missing is left out."""
        known = server._synced_ids("astpp.account")
        currencies = self._used_currencies(records)
        taxes = {tax.astpp_id: tax.tax_ids.ids for tax in self.env["astpp.tax"].search([("server_id", "=", server.id)])}
        partners = self._find_partners([record for record in records if record.id not in known], left_out)
        created = changed = self.browse()
        waiting = records
        while waiting:
            ids = {record.id for record in waiting}
            # An account whose parent is deleted, or the account itself, must not hold up those below it.
            level = [record for record in waiting if record.parent_id not in ids or record.parent_id == record.id]
            level = level or waiting
            wanted = {}
            for record in level:
                vals = self._synced_vals(server, record, known, currencies, taxes)
                missing = self._missing(record, known, left_out, lost_taxes)
                if record.id in known:
                    # Keep the fields that cannot be mapped now.
                    wanted[record.id] = {name: value for name, value in vals.items() if name not in missing}
                elif missing:
                    left_out.add(f"{self._row_name(record.id)}: {next(iter(missing.values()))}", record.id)
                elif record.id in partners:
                    wanted[record.id] = vals | self._first_vals(server, record, partners)
            new, different = self._merge_accounts(server, wanted, left_out)
            known |= {account.astpp_id: account.id for account in new}
            created, changed = created | new, changed | different
            done = {record.id for record in level}
            waiting = [record for record in waiting if record.id not in done]
        return created, changed

    @api.model
    def _missing(self, record, known, left_out, lost_taxes):
        """Return {field: reason} for fields that refer to rows left out."""
        missing = {}
        if record.parent_id in left_out.keys and record.parent_id not in known:
            missing["parent_id"] = self.env._("its reseller, ID %s, is left out", record.parent_id)
        if lost := sorted(lost_taxes & set(record.tax_ids)):
            missing["tax_ids"] = self.env._("its tax, ID %s, is left out", lost[0])
        return missing

    @api.model
    def _close_deleted(self, server, records, left_out):
        """Close accounts deleted in ASTPP before anything else, because another account may have their number by now.

        :return: the accounts that were closed
        """
        deleted = [record.id for record in records if record.deleted]
        open_ones = [("server_id", "=", server.id), ("astpp_id", "in", deleted), ("status", "!=", "closed")]
        by_id = {account.astpp_id: account for account in self.search(open_ones)}

        def close(keys):
            accounts = self.browse(by_id[key].id for key in keys)
            for account in accounts:
                snapshot = (account.astpp_snapshot or {}) | {"status": "closed"}
                account.write({"status": "closed", "astpp_snapshot": snapshot})
            return accounts

        return self.union(*put_away(self, list(by_id), close, left_out, self._row_name))

    @api.model
    def _without_clashes(self, server, records, left_out):
        """Return the records except those whose number is taken by a live account with a lower ID.

        ASTPP prevents duplicate numbers only in its user interface; its switch uses the oldest account.
        """
        numbers = Counter(record.number for record in records if not record.deleted)
        shared = [record.id for record in records if numbers[record.number] > 1]
        closed = [("server_id", "=", server.id), ("status", "=", "closed"), ("astpp_id", "in", shared)]
        closed_here = set(self.search(closed).mapped("astpp_id"))
        unheard = set(self.env["astpp.outbox"]._unapplied(server, "account_id", "account").mapped("astpp_id"))
        holders, kept = {}, []
        for record in sorted(records, key=lambda record: record.id):
            # Closed in Odoo, and ASTPP has closed it as well or has yet to be told.
            is_closed = record.id in closed_here and (not record.active or record.id in unheard)
            if record.deleted or is_closed or holders.setdefault(record.number, record.id) == record.id:
                kept.append(record)
                continue
            reason = self.env._(
                "the account with the ID %(other)s has the number %(number)s as well, and ASTPP goes by the older one. "
                "Give one of them another number in ASTPP.",
                other=holders[record.number],
                number=record.number,
            )
            left_out.add(f"{self._row_name(record.id)}: {reason}", record.id)
        return kept

    @api.model
    def _recognise_numbers(self, server, records):
        """Match accounts created in Odoo to ASTPP's by number.

        The fields that ASTPP owns, such as the reseller above, are set by the merge that follows.
        """
        known = server._synced_ids("astpp.account")
        held, by_number = {}, {}
        for record in records:
            if not record.deleted:
                (held if record.id in known else by_number).setdefault(record.number, record)
        unknown = [
            *[("server_id", "=", server.id), ("astpp_id", "in", (0, False))],
            *[("number", "in", list(by_number)), ("status", "!=", "closed")],
        ]
        # Accounts added by the operator's users are trusted; those that a reseller added must be confirmed first.
        for account in self.search([*unknown, ("portal_reseller_id", "=", False)]):
            account.astpp_id = by_number[account.number].id
        self._recognise_claims(server, held | by_number)

    @api.model
    def _note_funds(self, server, records):
        """Store each account's funds; they change with every call, so all are updated in one statement."""
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
    def _merge_accounts(self, server, wanted, left_out):
        """Merge accounts; for existing ones, skip the fields that are only set on creation."""
        first = {"partner_id", "billed_until", "available_funds"}
        existing = self.search([("server_id", "=", server.id), ("astpp_id", "in", list(wanted))])
        if server._writes("invoicing"):
            # ASTPP's invoicing is off because Odoo invoices the account.
            first.add("invoice_enabled")
        kept = dict.fromkeys(existing.mapped("astpp_id"), first)
        for account in self.env["astpp.outbox"]._unapplied(server, "account_id", "account"):
            kept[account.astpp_id] = first | {"status", "credit_limit"}
        for account in existing.filtered(lambda a: a.status == "closed"):
            # A closed account is merely inactive in ASTPP.
            if wanted[account.astpp_id]["status"] == "suspended":
                wanted[account.astpp_id]["status"] = "closed"
        return self._merge_synced(
            server,
            {
                key: {name: value for name, value in vals.items() if name not in kept.get(key, ())}
                for key, vals in wanted.items()
            },
            left_out,
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
        """Return values that are only set on creation; from then on Odoo decides them."""
        return {
            "partner_id": partners[record.id],
            "billed_until": self._billed_in_astpp_until(server, record),
            "available_funds": float(record.available),
        }

    @api.model
    def _used_currencies(self, records):
        """Return {code: id} of the accounts' currencies, activating those that are inactive."""
        codes = {record.currency for record in records if record.currency}
        currencies = self.env["res.currency"].with_context(active_test=False).search([("name", "in", list(codes))])
        # sudo: any accounting administrator may synchronise, and the currencies must be active.
        currencies.filtered(lambda currency: not currency.active).sudo().active = True
        return {currency.name: currency.id for currency in currencies}
