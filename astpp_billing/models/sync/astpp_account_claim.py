import secrets

from odoo import api, fields, models
from odoo.fields import Domain

# Rejected numbers that an alert lists; any others are only counted.
LISTED = 10


class AstppAccount(models.Model):
    """Numbers that resellers enter on the portal: unproven claims until ASTPP confirms them."""

    _inherit = "astpp.account"

    portal_reseller_id = fields.Many2one(
        "astpp.account",
        string="Added on the Portal By",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
        help="The reseller who added the account. It becomes ASTPP's account of this number only if ASTPP has it "
        "directly below this reseller.",
    )
    portal_number = fields.Char(
        string="Number Named on the Portal", readonly=True, copy=False, index="btree_not_null",
        help="What the reseller calls the account.",
    )  # fmt: skip

    # If the same number is submitted twice at once, only one succeeds.
    _portal_number_uniq = models.UniqueIndex(
        "(portal_reseller_id, portal_number) WHERE portal_number IS NOT NULL AND status != 'closed'",
        "You have a customer with this number.",
    )

    @api.model
    def _claim_number(self, reseller, number, partner):
        """Create the account that a reseller adds on the portal.

        If the server is synchronised, the number is in use, or calls are waiting for it, the account gets a placeholder
        number until ASTPP confirms the claim. The reseller sees no difference, and so learns nothing about other
        resellers' numbers.

        :param reseller: the account above the new one
        """
        usage = self.env["astpp.usage"].sudo()
        server = Domain("server_id", "=", reseller.server_id.id)
        named = Domain("number", "=", number) | Domain("portal_number", "=", number)
        # A closed account's number may be reused by the reseller it was below.
        others = self.search(server & named).filtered(
            lambda account: account.status != "closed" or f"/{reseller.id}/" not in f"/{account.parent_path}"
        )
        free = not (
            reseller.server_id.host
            or others
            or usage.search_count(server & Domain("account_ref", "=", number), limit=1)
        )
        return self.create(
            {
                "server_id": reseller.server_id.id,
                "number": number if free else self._unconfirmed(number),
                "portal_number": number,
                "portal_reseller_id": reseller.id,
                "partner_id": partner.id,
                "parent_id": reseller.id,
                "tz": reseller.tz,
            }
        )

    @api.model
    def _unconfirmed(self, number):
        return f"{number}?{secrets.token_hex(4)}"

    def _shown_number(self):
        """Return the number that customers and resellers know."""
        self.ensure_one()
        return self.portal_number or self.number

    @api.model
    def _recognise_claims(self, server, by_number):
        """Link resellers' claims to ASTPP's accounts directly below those resellers, and reject the other claims.

        :param by_number: {number: ``connector.records.Account``} of ASTPP's accounts
        """
        # A number whose account is closed in Odoo may be claimed again: ignore ASTPP's row of the closed account.
        gone = self.search([("server_id", "=", server.id), ("status", "=", "closed"), ("astpp_id", ">", 0)])
        gone = set(gone.mapped("astpp_id"))
        by_number = {number: record for number, record in by_number.items() if record.id not in gone}
        mine = Domain("server_id", "=", server.id) & Domain("portal_reseller_id", "!=", False)
        mine &= Domain("astpp_id", "in", (0, False))
        open_claims = Domain("portal_number", "in", list(by_number)) & Domain("status", "!=", "closed")
        claims = self.search(mine & (open_claims | Domain("number", "in", list(by_number))), order="id")
        if not claims:
            return
        records = {claim: by_number.get(claim.portal_number) or by_number[claim.number] for claim in claims}
        right = claims.filtered(lambda claim: 0 < claim.portal_reseller_id.astpp_id == records[claim].parent_id)
        wrong = claims - right
        wrong._set_aside()
        numbers, ids = zip(*((record.number, record.id) for record in records.values()), strict=True)
        known = self.search(
            Domain("server_id", "=", server.id)
            & (Domain("number", "in", numbers) | Domain("astpp_id", "in", ids))
            & Domain("id", "not in", claims.ids)
        )
        taken = set(known.mapped("number")) | set(known.mapped("astpp_id"))
        for claim in right:
            record = records[claim]
            if record.number in taken or record.id in taken:
                # Claimed twice, or there is an account with this number: ASTPP's row becomes an account of its own.
                claim._set_aside()
                wrong |= claim
                continue
            taken |= {record.number, record.id}
            claim.write({"number": record.number, "astpp_id": record.id})
        if wrong:
            self._tell_set_aside(server)

    def _set_aside(self):
        """Close accounts whose claim is rejected, and take back the calls assigned to them by their number."""
        for account in self:
            number = account.portal_number or account.number
            self.env["astpp.usage"]._disown(account, number)
            account.write({"number": self._unconfirmed(number), "portal_number": number, "status": "closed"})

    @api.model
    def _tell_set_aside(self, server):
        """Alert the operator to numbers that resellers claimed but ASTPP has elsewhere."""
        aside = self.search(
            [
                *[("server_id", "=", server.id), ("portal_reseller_id", "!=", False), ("status", "=", "closed")],
                *[("astpp_id", "in", (0, False)), ("number", "=like", "%?________")],
            ],
            order="write_date desc, id desc",
        )
        lines = [
            self.env._(
                "%(number)s, added by %(reseller)s for %(customer)s. Invoices: %(count)s.",
                number=account.portal_number,
                reseller=account.portal_reseller_id.display_name,
                customer=account.partner_id.display_name,
                count=account.invoice_count,
            )
            for account in aside[:LISTED]
        ]
        if len(aside) > LISTED:
            lines.append(self.env._("and %s more", len(aside) - LISTED))
        lines.append(
            self.env._("They were closed, and ASTPP's accounts made anew. Credit what was invoiced to the wrong one.")
        )
        server._raise_alert("claim", self.env._("Resellers added numbers that are not theirs"), "\n".join(lines))
