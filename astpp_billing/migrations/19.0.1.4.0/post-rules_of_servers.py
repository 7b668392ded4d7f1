"""A reseller's own company reads nothing of the operator's server any more; rules are not updated by themselves."""


def migrate(cr, _version):
    cr.execute(
        """
        UPDATE ir_rule SET domain_force = '[(''company_id'', ''in'', company_ids)]'
         WHERE id = (SELECT res_id FROM ir_model_data
                      WHERE module = 'astpp_billing' AND name = 'rule_astpp_server_company')
        """
    )
