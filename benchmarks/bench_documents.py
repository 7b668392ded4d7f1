"""PDFs of invoices: how much faster one call of the PDF engine for many invoices is than one call for each.

dev/bench documents
"""

from bench_database import remove, restore, shell, start

SET_UP = """
from odoo.tools import SQL
server = env.ref("astpp_billing.astpp_server_main")
partners = env["res.partner"].create([{"name": f"Customer {n}"} for n in range(70)])
made = env["astpp.account"].create([
    {"server_id": server.id, "number": f"D{n:04d}", "partner_id": partner.id, "tz": "UTC",
     "billed_until": "2024-01-01 00:00:00"} for n, partner in enumerate(partners)
])
env.flush_all()
env.cr.execute('''
    INSERT INTO astpp_usage (server_id, company_id, currency_id, account_id, partner_id, issuer_id, source, source_key,
                             date, charge_type, direction, callee, destination, duration, rated_amount, amount)
    SELECT a.server_id, a.company_id, %s, a.id, a.partner_id, a.issuer_id, 'cdr', a.id || '-' || n,
           a.billed_until + n * interval '1 hour', 'standard', 'outbound', '442012345678', 'Country ' || n %% 10, 60,
           n * 0.0137, n * 0.0137
      FROM astpp_account a, generate_series(1, 200) n WHERE a.id = ANY(%s)
''', (server.currency_id.id, made.ids))
env["astpp.usage"]._retotal(SQL("u.total_id IS NULL"))
run = env["astpp.billing.run"].create({"date": "2024-02-01", "invoice_date": "2024-02-01", "account_ids": [(6, 0, made.ids)]})
run.action_run()
env.cr.commit()
"""
RENDER = """
import time
moves = env["account.move"].search([("astpp_run_id", "!=", False)], order="id")
moves[:1]._astpp_render_pdf()
first = 1
for size, rounds in ((1, 9), (10, 2), (20, 2)):
    started = time.monotonic()
    for _round in range(rounds):
        moves[first : first + size]._astpp_render_pdf()
        first += size
    print("MS", size, 1000 * (time.monotonic() - started) / rounds / size)
env.cr.rollback()
"""


def main():
    start()
    try:
        restore("bench_documents", "astpp_addon")
        shell("bench_documents", SET_UP)
        lines = [line.split()[1:] for line in shell("bench_documents", RENDER).splitlines() if line.startswith("MS")]
        alone = float(lines[0][1])
        for size, spent in lines:
            print(f"batches of {size}: {float(spent):.0f} ms an invoice, {float(spent) / alone:.2f} of a call for each")
    finally:
        remove()


main()
