import { Component, onMounted, onWillUnmount } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

const INTERVAL = 3000;

/**
 * Reloads the form's record while the widget is visible, so that work in the background is
 * seen to go on. It never reloads over what somebody is typing.
 */
export class AutoRefresh extends Component {
    static template = "astpp_billing.AutoRefresh";
    static props = { ...standardWidgetProps };

    setup() {
        let timer;
        onMounted(() => {
            timer = setInterval(() => this.refresh(), INTERVAL);
        });
        onWillUnmount(() => clearInterval(timer));
    }

    async refresh() {
        const { record } = this.props;
        if (!document.hidden && record.resId && !(await record.isDirty())) {
            await record.load();
        }
    }
}

registry.category("view_widgets").add("astpp_auto_refresh", { component: AutoRefresh });
