import { registry } from "@web/core/registry";
import { patient } from "./patient";

/** A reseller's day: his figures, a new customer, a draft confirmed, his number series and brand. */
registry.category("web_tour.tours").add("astpp_reseller", {
    url: "/my",
    steps: () => patient([
        { content: "His business", trigger: "a[href='/my/reseller']", run: "click", expectUnloadPage: true },
        { content: "A draft waits", trigger: "[name=astpp_drafts]:contains('1')" },
        { content: "The chart came", trigger: "[aria-label='Usage by day']" },
        { content: "Customers", trigger: "a[href='/my/reseller/customers']", run: "click", expectUnloadPage: true },
        { content: "His customer", trigger: "tr:contains('Tour Below') a", run: "click", expectUnloadPage: true },
        { content: "Another billing day", trigger: "#billing_day", run: "edit 15" },
        { content: "Save", trigger: "form[action$='/save'] button", run: "click", expectUnloadPage: true },
        { content: "Saved", trigger: ".alert-success:contains('Saved')" },
        { content: "Invoices", trigger: "a[href='/my/reseller/invoices']", run: "click", expectUnloadPage: true },
        { content: "Choose the draft", trigger: "tr:contains('Draft') input[name=move_id]", run: "click" },
        { content: "Confirm", trigger: "button[value=confirm]", run: "click", expectUnloadPage: true },
        { content: "It has a number", trigger: "td a:contains('TOURR-00001')" },
        { content: "Settings", trigger: "a[href='/my/reseller/settings']", run: "click", expectUnloadPage: true },
        { content: "The preview is alive", trigger: "form[data-astpp-brand] #prefix", run: "edit TOURX-" },
        { content: "It shows the number", trigger: "[data-astpp-number]:contains('TOURX-00001')" },
        { content: "Another name", trigger: "#name", run: "edit Tour Voice" },
        { content: "It shows the name", trigger: "[data-astpp-name]:contains('Tour Voice')" },
        { content: "Save", trigger: "form[data-astpp-brand] button.btn-primary", run: "click", expectUnloadPage: true },
        { content: "Saved", trigger: ".alert-success:contains('Saved')" },
    ]),
});

/** A customer: his services, an order, what he wants to be told, his charges and his invoice. */
registry.category("web_tour.tours").add("astpp_customer", {
    url: "/my",
    steps: () => patient([
        { content: "Services", trigger: "a[href='/my/services']", run: "click", expectUnloadPage: true },
        { content: "Order what is offered", trigger: "form[action$='/order'] button", run: "click", expectUnloadPage: true },
        { content: "It runs", trigger: ".card:contains('Tour Package')" },
        { content: "Preferences", trigger: "summary:contains('Preferences')", run: "click" },
        { content: "Preferred day", trigger: "input[name=billing_day]", run: "edit 20" },
        { content: "Save", trigger: "form[action$='/preferences'] button", run: "click", expectUnloadPage: true },
        { content: "Saved", trigger: ".alert-success" },
        { content: "Home", trigger: "ol.breadcrumb a[href='/my/home']", run: "click", expectUnloadPage: true },
        { content: "Charges", trigger: "a[href='/my/charges']", run: "click", expectUnloadPage: true },
        { content: "Period", trigger: "#astpp_period", run: "click" },
        { content: "All time", trigger: ".dropdown-item:contains('All time')", run: "click", expectUnloadPage: true },
        { content: "The call is there", trigger: "td:contains('442012345678')" },
        { content: "Its invoice", trigger: "td a[href^='/my/invoices/']", run: "click", expectUnloadPage: true },
        { content: "Back to its charges", trigger: "a[href^='/my/charges?invoice_id=']", run: "click", expectUnloadPage: true },
        { content: "Only those", trigger: "[name=astpp_totals] strong:contains('1')" },
    ]),
});
