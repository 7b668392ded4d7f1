import { registry } from "@web/core/registry";
import { stepUtils } from "@web_tour/tour_utils";
import { patient } from "./patient";

const click = (content, trigger) => ({ content, trigger, run: "click" });
const menu = (section, item) => [
    click(section, `button[data-menu-xmlid='astpp_billing.menu_astpp_${section}']`),
    click(item, `a[data-menu-xmlid='astpp_billing.menu_astpp_${item}']`),
];
const create = (section, item) => [
    ...menu(section, item),
    click("New", ".o_list_button_add"),
    { content: "An empty form", trigger: ".o_form_view .o_form_editable" },
];
const pick = (field, text) => [
    { content: `Look for ${text}`, trigger: `div[name='${field}'] input`, run: `edit ${text}` },
    click(`Pick ${text}`, `.o-autocomplete--dropdown-item:not(.o_m2o_dropdown_option):contains('${text}')`),
];
const save = [click("Save", ".o_form_button_save"), { content: "Saved", trigger: ".o_form_saved" }];
const add = (name, steps) =>
    registry.category("web_tour.tours").add(name, {
        steps: () => patient([...stepUtils.goToAppSteps("astpp_billing.menu_astpp_root", "Open the app"), ...steps]),
    });

add("astpp_new_topup", [
    ...create("services", "topup"),
    ...pick("account_id", "TOURPRE"),
    { content: "What follows from it has come", trigger: "div[name='partner_id']:contains('Tour Prepaid')" },
    { content: "An amount", trigger: "div[name='amount'] input", run: "edit 25" },
    ...save,
    click("Confirm it", "button[name='action_confirm']"),
    { content: "It has an invoice", trigger: "button[name='action_view_invoice']" },
]);

add("astpp_new_settlement", [
    ...create("billing", "settlement"),
    ...pick("issuer_id", "Tour Reseller"),
    ...save,
    { content: "It has its name", trigger: ".o_form_view h1:contains('Settlement with Tour Reseller')" },
]);

add("astpp_new_subscription", [
    ...create("services", "subscription"),
    ...pick("account_id", "TOURPOST"),
    { content: "What follows from it has come", trigger: "div[name='partner_id']:contains('Tour Postpaid')" },
    ...pick("product_id", "Tour Number"),
    { content: "What follows from it has come", trigger: "div[name='did_id'] input" },
    ...pick("did_id", "4420777"),
    ...save,
    click("Start it", "button[name='action_start']"),
    { content: "It runs", trigger: ".o_statusbar_status button.o_arrow_button_current:contains('Active')" },
]);
