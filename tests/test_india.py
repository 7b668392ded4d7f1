"""With India's localisation, which extends invoices, a run's invoices equal those entered by hand."""

import json

SET_UP = """
import json
company = env["res.company"].create({
    "name": "Bharat Voice", "country_id": env.ref("base.in").id, "state_id": env.ref("base.state_in_gj").id,
    "vat": "24AAGCC7144L6ZE", "street": "1 Road", "city": "Surat", "zip": "395001",
})
env["account.chart.template"].try_loading("in", company, install_demo=False)
company.l10n_in_is_gst_registered = True
env = env(context={"allowed_company_ids": company.ids})
tax = env["account.chart.template"].ref("sgst_sale_18")
product = env["product.product"].create({
    "name": "Calls", "type": "service", "l10n_in_hsn_code": "998413", "taxes_id": [(6, 0, tax.ids)],
})
server = env["astpp.server"].create({"name": "IN", "company_id": company.id, "call_product_id": product.id,
                                    "charge_product_id": product.id, "currency_id": company.currency_id.id})
partner = env["res.partner"].create({
    "name": "Customer", "country_id": env.ref("base.in").id, "state_id": env.ref("base.state_in_gj").id,
    "vat": "24BBBFF5679L8ZR", "street": "2 Road", "city": "Surat", "zip": "395002", "l10n_in_gst_treatment": "regular",
    "company_id": company.id,
})
account = env["astpp.account"].create({"server_id": server.id, "number": "IN1", "partner_id": partner.id, "tz": "UTC",
                                       "billed_until": "2024-01-01 00:00:00"})
account.issuer_id.invoice_mode = "confirm"
env["astpp.usage"].create({"account_id": account.id, "amount": 100, "date": "2024-01-10 10:00:00"})
run = env["astpp.billing.run"].create({"company_id": company.id, "date": "2024-02-01", "invoice_date": "2024-02-01",
                                       "account_ids": [(6, 0, account.ids)]})
run.action_run()
ours = run.move_ids
stock = env["account.move"].create({
    "move_type": "out_invoice", "partner_id": partner.id, "invoice_date": "2024-02-01", "company_id": company.id,
    "journal_id": ours.journal_id.id, "invoice_line_ids": [(0, 0, {"product_id": product.id, "quantity": 1,
                                                                   "price_unit": 100})],
})
env.flush_all()
stock.action_post()
env.flush_all()
names = ("display_type", "l10n_in_gstr_section", "l10n_in_hsn_code", "balance")
print(json.dumps({
    "failures": run.result_ids.filtered(lambda result: result.state == "failed").mapped("message"),
    "states": [ours.state, stock.state],
    "ours": [[str(line[name]) for name in names] for line in ours.line_ids.sorted("id")],
    "stock": [[str(line[name]) for name in names] for line in stock.line_ids.sorted("id")],
}))
"""


def test_invoices_of_a_run_equal_manual_ones(database):
    database.odoo("-i", "l10n_in", "--stop-after-init")
    said = json.loads(database.shell(SET_UP).splitlines()[-1])
    assert said["failures"] == []
    assert said["states"] == ["posted", "posted"]
    assert sorted(said["ours"]) == sorted(said["stock"])
    [product_line] = [line for line in said["ours"] if line[0] == "product"]
    assert product_line[1] == "sale_b2b_regular"
    assert product_line[2] == "998413"
