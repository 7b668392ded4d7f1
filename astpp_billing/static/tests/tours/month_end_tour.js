import { registry } from "@web/core/registry";
import { stepUtils } from "@web_tour/tour_utils";
import { patient } from "./patient";

/** A file of two calls for the account that the test has made. */
function callsFile() {
    const head = "uniqueid,accountid,callednum,billseconds,callstart,debit,call_direction,calltype";
    const call = (n) => `tour-${n},990001,4420${n},60,2024-01-15 12:00:0${n},1.5,outbound,STANDARD`;
    return new File([[head, call(1), call(2), "rubbish"].join("\n")], "calls.csv", { type: "text/csv" });
}

/** The accountant's month: import a file, run billing, open the invoice, print it. */
registry.category("web_tour.tours").add("astpp_month_end", {
    steps: () => patient([
        ...stepUtils.goToAppSteps("astpp_billing.menu_astpp_root", "Open the app"),
        { content: "Usage menu", trigger: "button[data-menu-xmlid='astpp_billing.menu_astpp_usage_root']", run: "click" },
        { content: "Import", trigger: "a[data-menu-xmlid='astpp_billing.menu_astpp_usage_import_new']", run: "click" },
        { content: "Choose the server", trigger: "div[name='server_id'] input", run: "edit Tour ASTPP" },
        { content: "Pick it", trigger: ".o-autocomplete--dropdown-item:contains('Tour ASTPP')", run: "click" },
        {
            content: "The button is there",
            trigger: ".o_astpp_usage_upload button:contains('Choose File')",
        },
        {
            content: "Save before the file is chosen",
            trigger: ".o_form_button_save",
            run: "click",
        },
        { content: "Saved", trigger: ".o_form_saved" },
        {
            content: "Choose a file",
            trigger: ".o_astpp_usage_upload:has(input[type=file])",
            run() {
                const input = this.anchor.querySelector("input[type=file]");
                const transfer = new DataTransfer();
                transfer.items.add(callsFile());
                input.files = transfer.files;
                input.dispatchEvent(new Event("change"));
            },
        },
        { content: "Two lines added", trigger: "div[name='added_count']:contains('2')" },
        { content: "One rejected", trigger: "div[name='rejected_count']:contains('1')" },
        { content: "The rejected lines are there", trigger: "div[name='rejects_file'] .fa-download, div[name='rejects_file']" },
        { content: "Billing menu", trigger: "button[data-menu-xmlid='astpp_billing.menu_astpp_billing']", run: "click" },
        { content: "Runs", trigger: "a[data-menu-xmlid='astpp_billing.menu_astpp_billing_run']", run: "click" },
        { content: "New run", trigger: ".o_list_button_add", run: "click" },
        { content: "Only the tour's account", trigger: "div[name='account_ids'] input", run: "edit TOUR1" },
        { content: "Pick it", trigger: ".o-autocomplete--dropdown-item:contains('TOUR1')", run: "click" },
        { content: "Run", trigger: "button[name='action_run']:contains('Run Billing')", run: "click" },
        { content: "Done", trigger: ".o_statusbar_status button.o_arrow_button_current:contains('Done')" },
        { content: "Open its invoices", trigger: "button[name='action_view_invoices']", run: "click" },
        { content: "Open the invoice", trigger: ".o_data_row td[name='astpp_account_id']:contains('TOUR1')", run: "click" },
        { content: "It has a number of the issuer", trigger: ".o_form_view h1:contains('TOUR-00001')" },
        { content: "The usage is behind it", trigger: "button[name='action_view_astpp_usage']:contains('2')" },
        {
            content: "Print",
            trigger: "button[name='action_print_pdf']:not(.d-none)",
            async run(helpers) {
                // The browser remembers a limited number of requests, and drops those that come later.
                performance.clearResourceTimings();
                await helpers.click();
            },
        },
        {
            content: "The PDF arrives",
            trigger: "body",
            async run() {
                const arrived = (entry) => entry.name.endsWith("/report/download");
                while (!performance.getEntriesByType("resource").some(arrived)) {
                    await new Promise((resolve) => setTimeout(resolve, 100));
                }
            },
        },
        { content: "Open the usage", trigger: "button[name='action_view_astpp_usage']", run: "click" },
        { content: "Both calls", trigger: ".o_list_view .o_data_row:nth-child(2)" },
    ]),
});
