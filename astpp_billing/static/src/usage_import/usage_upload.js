import { Component, useRef, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

/**
 * Uploads a file of calls as it is: a binary field would hold all of it in memory, here and
 * on the server.
 */
export class UsageUpload extends Component {
    static template = "astpp_billing.UsageUpload";
    static props = { ...standardWidgetProps };

    setup() {
        this.http = useService("http");
        this.notification = useService("notification");
        this.input = useRef("input");
        this.state = useState({ busy: false });
    }

    choose() {
        this.input.el.click();
    }

    async upload() {
        const [file] = this.input.el.files;
        // Saved with a file only: an import without one says nothing to anybody.
        if (!file || !(await this.props.record.save())) {
            return;
        }
        this.state.busy = true;
        try {
            const route = `/astpp_billing/usage_import/${this.props.record.resId}`;
            const answer = await this.http.post(route, { csrf_token: odoo.csrf_token, ufile: [file] });
            if (answer.error) {
                this.notification.add(answer.error, {
                    title: _t("The file was not imported"),
                    type: "danger",
                    sticky: true,
                });
            }
            await this.props.record.load();
        } catch {
            this.notification.add(_t("The server did not take the file. Nothing was imported."), { type: "danger" });
        } finally {
            this.state.busy = false;
            if (this.input.el) {
                this.input.el.value = "";
            }
        }
    }
}

registry.category("view_widgets").add("astpp_usage_upload", { component: UsageUpload });
