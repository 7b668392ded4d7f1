import { registry } from "@web/core/registry";
import { stepUtils } from "@web_tour/tour_utils";
import { patient } from "./patient";

const PICTURE = new File([new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d])], "photo.png");

/** Two calls for the account that the test has made. */
function callsFile() {
    const head = "uniqueid,accountid,callednum,billseconds,callstart,debit,call_direction,calltype";
    const call = (n) => `undo-${n},990001,4420${n},60,2024-01-15 12:00:0${n},1.5,outbound,STANDARD`;
    return new File([[head, call(1), call(2)].join("\n")], "wrong.csv", { type: "text/csv" });
}

function choose(content, file) {
    return {
        content,
        trigger: ".o_astpp_usage_upload:has(input[type=file])",
        run() {
            const input = this.anchor.querySelector("input[type=file]");
            const transfer = new DataTransfer();
            transfer.items.add(file());
            input.files = transfer.files;
            input.dispatchEvent(new Event("change"));
        },
    };
}

/** A picture is refused, a wrong file is imported and taken back. */
registry.category("web_tour.tours").add("astpp_usage_import", {
    steps: () => patient([
        ...stepUtils.goToAppSteps("astpp_billing.menu_astpp_root", "Open the app"),
        { content: "Usage menu", trigger: "button[data-menu-xmlid='astpp_billing.menu_astpp_usage_root']", run: "click" },
        { content: "Import", trigger: "a[data-menu-xmlid='astpp_billing.menu_astpp_usage_import_new']", run: "click" },
        { content: "Choose the server", trigger: "div[name='server_id'] input", run: "edit Tour ASTPP" },
        { content: "Pick it", trigger: ".o-autocomplete--dropdown-item:contains('Tour ASTPP')", run: "click" },
        { content: "The clock that is meant", trigger: "div[name='clock_text']:contains('UTC+00:00 all year')" },
        choose("Choose a picture, nothing saved before", () => PICTURE),
        { content: "It is refused", trigger: ".alert-danger div[name='refusal']:contains('no text')" },
        { content: "And has a name", trigger: ".oe_title div[name='name']:contains('photo.png')" },
        { content: "Close what was said", trigger: ".o_notification .o_notification_close", run: "click" },
        { content: "Another file", trigger: "button[name='action_start_another']", run: "click" },
        { content: "The same server", trigger: "div[name='server_id'] input:value(Tour ASTPP)" },
        choose("Choose calls", callsFile),
        { content: "Two lines added", trigger: "div[name='added_count']:contains('2')" },
        { content: "They can be looked at", trigger: "button[name='action_view_lines']:contains('2')" },
        { content: "Undo", trigger: "button[name='action_undo']", run: "click" },
        { content: "Yes", trigger: ".modal button.btn-primary", run: "click" },
        { content: "Taken back", trigger: "div[name='undone_count']:contains('2')" },
        { content: "Said so", trigger: ".o_notification:contains('2 lines were taken back')" },
        { content: "Nothing left to look at", trigger: ".o_form_view:not(:has(button[name='action_view_lines']))" },
    ]),
});
