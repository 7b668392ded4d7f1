OLD = "[('company_id', 'in', company_ids)]"
RULES = {
    "rule_astpp_account_company": "['|', ('company_id', 'in', company_ids), ('billing_company_id', 'in', company_ids)]",
    "rule_astpp_server_company": "['|', ('company_id', 'in', company_ids), "
    "('account_ids.billing_company_id', 'in', company_ids)]",
}


def migrate(cr, version):
    """Accounts are seen by the company that invoices them; rules that were changed by hand stay."""
    for name, domain in RULES.items():
        cr.execute(
            """
            UPDATE ir_rule SET domain_force = %s
             WHERE domain_force = %s
               AND id = (SELECT res_id FROM ir_model_data WHERE module = 'astpp_billing' AND name = %s)
            """,
            (domain, OLD, name),
        )
