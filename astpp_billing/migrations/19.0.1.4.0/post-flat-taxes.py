"""Flat amounts of ASTPP's taxes are in the currency of their server."""


def migrate(cr, _version):
    cr.execute(
        """
        UPDATE account_tax t SET astpp_currency_id = s.currency_id
          FROM account_tax_astpp_tax_rel r
          JOIN astpp_tax a ON a.id = r.astpp_tax_id
          JOIN astpp_server s ON s.id = a.server_id
         WHERE t.id = r.account_tax_id AND t.amount_type = 'fixed' AND t.name->>'en_US' = a.name || ' (fixed)'
        """
    )
