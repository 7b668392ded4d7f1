"""Play the demo's month in Odoo's shell: accounts, import, billing run, PDFs.

Run by dev/demo, which sets INPUT and OUTPUT to its folders.
"""

import base64
import csv
import io
import os
from datetime import timedelta
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from odoo.fields import Command

INPUT = Path(os.environ["INPUT"])
OUTPUT = Path(os.environ["OUTPUT"])


def logo(text, colour):
    """Draw a logo from the company's name."""
    font = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf", 44)
    image = Image.new("RGBA", (90 + int(font.getlength(text)), 80), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((4, 8, 64, 68), radius=14, fill=colour)
    for inset in (14, 24, 34):
        draw.arc((inset, inset + 6, 82 - inset, 70 - inset // 2), 200, 340, fill="white", width=5)
    draw.text((80, 12), text, font=font, fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue())


def set_up_company(env):
    company = env.company
    company.logo = logo("Meridian Telecom", "#0b5c7a")
    # Calls are taxed like everything else the company sells.
    env.ref("astpp_billing.product_calls").taxes_id = company.account_sale_tax_id
    company.write(
        {
            "name": "Meridian Telecom",
            "street": "12 Harbour Street",
            "city": "Springfield",
            "zip": "62701",
            "country_id": env.ref("base.us").id,
            "phone": "+1 217 555 0100",
            "email": "billing@meridian.example",
            "website": "https://meridian.example",
        }
    )
    company.partner_id.vat = "US123456789"
    env["res.users"].create(
        {
            "name": "Alex Accountant",
            "login": "accountant",
            "password": "accountant",
            "group_ids": [Command.link(env.ref("account.group_account_invoice").id)],
        }
    )


def connect(env):
    """Read accounts and calls from the ASTPP database on port ASTPP_PORT."""
    server = env.ref("astpp_billing.astpp_server_main")
    month = (INPUT / "accounts.csv").read_text(encoding="utf-8").splitlines()[1].rsplit(",", 1)[1]
    server.write(
        {
            "host": "127.0.0.1",
            "port": int(os.environ["ASTPP_PORT"]),
            "user": "astpp_reader",
            "password": "reader's secret",
            "sync_from": month,
        }
    )
    server.action_test_connection()
    print(server.check_report)
    if not server._sync():
        raise RuntimeError(server.sync_error)
    for step in server.sync_step_ids.filtered("read_count"):
        print(f"{step.step}: {step.read_count} rows read, {step.added_count} added ({step.seconds:.1f} s)")
    differences = env["astpp.reconciliation"].search_count([("reason", "!=", False)])
    print(f"reconciliation: {differences} differences")
    return list(env["astpp.account"].search([], order="astpp_id"))


def load_accounts(env):
    with (INPUT / "accounts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    partners = env["res.partner"].create(
        [
            {"name": row["company"], "email": row["email"], "is_company": True, "country_id": env.ref("base.us").id}
            for row in rows
        ]
    )
    server = env.ref("astpp_billing.astpp_server_main")
    by_id = {}
    # Resellers first, because the accounts below refer to them.
    for row, partner in sorted(zip(rows, partners, strict=True), key=lambda pair: int(pair[0]["reseller_id"])):
        by_id[row["id"]] = env["astpp.account"].create(
            {
                "server_id": server.id,
                "astpp_id": int(row["id"]),
                "number": row["number"],
                "partner_id": partner.id,
                "account_type": row["type"],
                "parent_id": by_id[row["reseller_id"]].id if row["reseller_id"] != "0" else False,
                "payment_mode": "prepaid" if row["prepaid"] == "True" else "postpaid",
                "billed_until": row["billed_until"],
                "tz": "UTC",
            }
        )
    return list(by_id.values())


def make_issuers(env, accounts):
    """Create issuers for two resellers; what their customers pay is owed to the resellers."""
    clearing = env["account.account"].create(
        {"name": "Owed to Resellers", "code": "211900", "account_type": "liability_current"}
    )
    operator = env["astpp.issuer"]._operator(env.company)
    operator.write({"prefix": "MT-2026/", "first_number": 1001, "padding": 5})
    brands = [
        ("NV-", 1, "confirm", "Kungsgatan 4", "Stockholm", "base.se", "#8a1538"),
        ("STC/", 500, "draft", "MG Road 18", "Bengaluru", "base.in", "#c2560c"),
    ]
    resellers = [account for account in accounts if account.account_type == "reseller"]
    for reseller, (prefix, first_number, mode, street, city, country, colour) in zip(resellers, brands, strict=True):
        reseller.partner_id.write(
            {
                "street": street,
                "city": city,
                "country_id": env.ref(country).id,
                "image_1920": logo(reseller.partner_id.name, colour),
            }
        )
        reseller.action_create_issuer()
        reseller.own_issuer_ids.write(
            {
                "prefix": prefix,
                "first_number": first_number,
                "invoice_mode": mode,
                "clearing_account_id": clearing.id,
                "invoice_note": f"<p>{reseller.partner_id.name} – questions about this invoice: {reseller.partner_id.email}</p>",
            }
        )


def open_portal(env, accounts):
    """Create logins for a customer and a reseller."""
    reseller = next(account for account in accounts if account.account_type == "reseller")
    customer = next(account for account in accounts if account.account_type == "customer")
    for login, account in (("customer", customer), ("reseller", reseller)):
        env["res.users"].with_context(no_reset_password=True).create(
            {
                "name": f"Pat {login.title()}",
                "login": login,
                "password": login,
                "parent_id": account.partner_id.id,
                "group_ids": [Command.set(env.ref("base.group_portal").ids)],
            }
        )


def sell(env, accounts):
    """Sell services that start with the month or earlier."""
    service = {"type": "service", "taxes_id": env.company.account_sale_tax_id.ids, "astpp_recurring": True}
    talk, seat, number = env["product.product"].create(
        [
            service
            | {"name": "Talk 500", "astpp_type": "package", "list_price": 25, "astpp_free_minutes": 500,
               "astpp_direction": "both", "astpp_prorate": True, "astpp_refund_unused": True},
            service | {"name": "PBX Seat", "astpp_type": "subscription", "list_price": 8, "astpp_setup_fee": 15},
            service | {"name": "Local Number", "astpp_type": "did", "list_price": 3},
        ]
    )  # fmt: skip
    customers = [account for account in accounts if account.account_type == "customer"]
    postpaid = [account for account in customers if account.payment_mode == "postpaid"]
    dids = env["astpp.did"].create(
        [
            {"number": f"1217555{n:04d}", "city": "Springfield", "country_id": env.ref("base.us").id, "price": 3}
            for n in range(200, 212)
        ]
    )
    start = postpaid[0].billed_until
    orders = env["astpp.subscription"].create(
        [{"account_id": account.id, "product_id": talk.id} for account in postpaid[:4]]
        + [
            {"account_id": account.id, "product_id": seat.id, "quantity": 1 + n % 5}
            for n, account in enumerate(postpaid)
        ]
        + [
            {"account_id": account.id, "product_id": number.id, "did_id": did.id}
            for account, did in zip(postpaid, dids, strict=False)
        ]
    )
    orders._start(start + timedelta(days=6))
    while env["astpp.subscription"]._renew_batch():
        pass
    print(f"{len(orders)} subscriptions, {len(dids)} numbers, {len(dids.filtered('account_id'))} of them in use")


def import_calls(env):
    for name in ("cdrs.csv", "reseller_cdrs.csv"):
        usage_import = env["astpp.usage.import"].create({})
        with (INPUT / name).open("rb") as file:
            usage_import._import_stream(file, name)
        print(
            f"{name}: {usage_import.line_count} lines, {usage_import.added_count} added, "
            f"{usage_import.rejected_count} rejected, to be checked: {usage_import.exception_summary or 'none'} "
            f"({usage_import.seconds:.1f} s)"
        )
        if usage_import.rejects_file:
            OUTPUT.mkdir(parents=True, exist_ok=True)
            attachment = env["ir.attachment"].search(
                [
                    ("res_model", "=", usage_import._name),
                    ("res_id", "=", usage_import.id),
                    ("res_field", "=", "rejects_file"),
                ]
            )
            (OUTPUT / usage_import.rejects_name).write_bytes(attachment.raw)


def print_documents(env, run):
    invoices = run.move_ids.sorted(lambda move: (move.astpp_issuer_id.id, move.name or "~", move.id))
    report = env.ref("account.account_invoices")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for move in invoices:
        pdf, _type = env["ir.actions.report"]._render_qweb_pdf(report, move.ids)
        name = move.name if move.state == "posted" else f"draft {move.astpp_account_id.number}"
        (OUTPUT / f"{name.replace('/', '-')}.pdf").write_bytes(pdf)
    return invoices


def print_table(env, run, invoices):
    results = {result.move_id: result for result in run.result_ids}
    rows = [("ISSUER", "ACCOUNT", "NUMBER", "LINES", "CALLS", "MINUTES", "TOTAL", "STATE")]
    for move in invoices:
        result = results[move]
        rows.append(
            (
                move.astpp_issuer_id.name,
                move.astpp_account_id.display_name,
                move.name if move.state == "posted" else "(draft)",
                str(len(move.invoice_line_ids)),
                str(result.call_count),
                f"{result.duration // 60}:{result.duration % 60:02d}",
                move.currency_id.format(move.amount_total).replace("\N{NO-BREAK SPACE}", " "),
                move.state,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if 3 <= i <= 6 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def main(env):
    set_up_company(env)
    if os.environ.get("ASTPP_PORT"):
        accounts = connect(env)
        make_issuers(env, accounts)
    else:
        accounts = load_accounts(env)
        make_issuers(env, accounts)
        import_calls(env)
    open_portal(env, accounts)
    sell(env, accounts)
    run = env["astpp.billing.run"].create({})
    run.action_run()
    # Committed, because the PDF engine fetches styles and logos from the web server, in another transaction.
    env.cr.commit()
    invoices = print_documents(env, run)
    env.cr.commit()
    print()
    print_table(env, run, invoices)
    held = env["astpp.usage"].search_count([("exception", "!=", False)])
    print(f"\n{len(invoices)} invoices, {run.failed_count} failures, {held} usage lines to be checked")
    print(f"PDFs: {OUTPUT}")


main(env)  # noqa: F821  (env is the shell's)
