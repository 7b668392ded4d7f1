"""Accounts that resellers added on the portal, and that ASTPP has not told of yet, are marked as such."""


def migrate(cr, _version):
    """Whoever works here has no share user: what one of these created below a reseller came from the portal."""
    cr.execute(
        """
        UPDATE astpp_account a SET portal_reseller_id = a.parent_id, portal_number = a.number
          FROM res_users u
         WHERE u.id = a.create_uid AND u.share AND a.parent_id IS NOT NULL AND COALESCE(a.astpp_id, 0) = 0
           AND a.portal_reseller_id IS NULL
        """
    )
