import { Interaction } from "@web/public/interaction";
import { registry } from "@web/core/registry";

/** A part of a page that takes longer than the page: it is fetched when the rest is there. */
export class LatePart extends Interaction {
    static selector = "[data-astpp-late]";

    async willStart() {
        const response = await this.waitFor(fetch(this.el.dataset.astppLate));
        if (response.ok) {
            this.el.innerHTML = await this.waitFor(response.text());
        }
    }
}

registry.category("public.interactions").add("astpp_billing.late_part", LatePart);
