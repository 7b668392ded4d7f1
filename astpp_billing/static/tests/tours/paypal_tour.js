import { registry } from "@web/core/registry";
import { patient } from "./patient";

/* A customer pays on the portal. PayPal's button and window are those of the tests' stand-in. */

const click = (content, trigger, expectUnloadPage = false) => ({ content, trigger, run: "click", expectUnloadPage });

const openInvoice = click("Open the invoice", ".o_portal_my_doc_table td:first-child a", true);
const payNow = click("Pay", "a[data-bs-target='#pay_with']:contains('Pay Now')");
const choose = click("PayPal", "input[name='o_payment_radio'][data-provider-code='paypal']");
const openWindow = click("PayPal's button", "div[id^='o_paypal_enabled_button']:not(.d-none) .paypal_stand_in_enabled");
const approve = click("Approve in PayPal's window", ".paypal_stand_in_window button[name='approve']", true);
const cancel = click("Leave PayPal's window", ".paypal_stand_in_window button[name='cancel']");
const paid = { content: "The invoice is paid", trigger: "[name='invoice_paid_badge']:contains('Paid')" };

const add = (name, url, steps) => registry.category("web_tour.tours").add(name, { url, steps: () => patient(steps) });

add("astpp_paypal_full", "/my/invoices", [
    openInvoice,
    payNow,
    choose,
    openWindow,
    approve,
    paid,
    click("Its charges", "a:contains('Every charge on this invoice')", true),
    { content: "The charge history says so", trigger: "td:contains('Paid') a[href^='/my/invoices/']" },
]);

add("astpp_paypal_part", "/my/invoices", [
    openInvoice,
    payNow,
    { content: "A part", trigger: "#astpp_part", run: "edit 40" },
    click("Choose it", "form[name='astpp_part'] button", true),
    { content: "It is what will be paid", trigger: "#o_payment_installments_tab.active:contains('40.00')" },
    choose,
    openWindow,
    approve,
    { content: "The part is paid", trigger: ".alert:contains('Already Paid'):contains('40.00')" },
    { content: "The rest is open", trigger: ".alert:contains('Left to Pay'):contains('75.00')" },
]);

add("astpp_paypal_cancelled_and_pending", "/my/invoices", [
    openInvoice,
    payNow,
    choose,
    openWindow,
    cancel,
    openWindow,
    approve,
    { content: "It takes time", trigger: "[name='o_payment_status_alert']:contains('waiting for approval')" },
    {
        content: "Back to the invoices",
        trigger: "[name='o_payment_status']",
        run: () => {
            window.location = "/my/invoices";
        },
        expectUnloadPage: true,
    },
    { content: "Not paid yet", trigger: "td[name='invoice_status']:contains('Pending')" },
]);

add("astpp_paypal_overdue", "/my/invoices", [
    click("All that is overdue", "a[href='/my/invoices/overdue']", true),
    { content: "What is left, not the totals", trigger: ".text-bg-light:contains('194.00')" },
    choose,
    openWindow,
    approve,
    { content: "Both are paid", trigger: ".o_portal_my_doc_table:has(tr:nth-child(2) .text-bg-success):has(tr:nth-child(1) .text-bg-success)" },
]);

add("astpp_paypal_topup", "/my/services", [
    { content: "An amount", trigger: "form[action='/my/topup'] input[name='amount']", run: "edit 25" },
    click("Top up", "form[action='/my/topup'] button", true),
    payNow,
    choose,
    openWindow,
    approve,
    paid,
]);

add("astpp_paypal_given_back", undefined, [
    { content: "A part is open again", trigger: ".o_widget_web_ribbon span:contains('Partial')" },
    { content: "The invoice says why", trigger: ".o-mail-Message:contains('PayPal reversed $ 15.00 of')" },
    { content: "Somebody is to do something", trigger: ".o-mail-Activity:contains('PayPal reversed')" },
]);
