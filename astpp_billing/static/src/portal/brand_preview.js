import { Interaction } from "@web/public/interaction";
import { registry } from "@web/core/registry";

/** Shows name, logo, colour and next number of an issuer's documents while they are typed. */
export class BrandPreview extends Interaction {
    static selector = "form[data-astpp-brand]";
    dynamicContent = {
        "[name=prefix], [name=first_number], [name=padding]": {
            "t-on-input": this.debounced(this.showNumber, 300),
        },
        "[name=name], [name=brand_color]": { "t-on-input": this.showName },
        "[name=logo]": { "t-on-change": this.showLogo },
    };

    value(name) {
        return this.el.querySelector(`[name=${name}]`).value;
    }

    async showNumber() {
        const asked = new URLSearchParams({ issuer_id: this.value("issuer_id") });
        for (const name of ["prefix", "first_number", "padding"]) {
            asked.set(name, this.value(name));
        }
        const response = await this.waitFor(fetch(`/my/reseller/settings/number?${asked}`));
        if (response.ok) {
            const number = await this.waitFor(response.text());
            this.el.querySelector("[data-astpp-number]").textContent = number;
        }
    }

    showName() {
        const name = this.el.querySelector("[data-astpp-name]");
        name.textContent = this.value("name");
        name.style.color = this.value("brand_color");
    }

    showLogo(ev) {
        const [file] = ev.currentTarget.files;
        const logo = this.el.querySelector("[data-astpp-logo]");
        if (file) {
            logo.src = URL.createObjectURL(file);
            logo.classList.remove("d-none");
        }
    }
}

registry.category("public.interactions").add("astpp_billing.brand_preview", BrandPreview);
