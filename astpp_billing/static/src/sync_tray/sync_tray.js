import { Component, onWillStart, onWillUnmount, useState } from "@odoo/owl";
import { Dropdown } from "@web/core/dropdown/dropdown";
import { deserializeDateTime, formatDateTime } from "@web/core/l10n/dates";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";

const INTERVAL = 3000;

/**
 * Shows from any screen whether the ASTPP servers are being read, and how far; administrators
 * start it from here. It asks the server only while it is open.
 */
export class SyncTray extends Component {
    static template = "astpp_billing.SyncTray";
    static components = { Dropdown };
    static props = {};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({ isFor: false, mayStart: false, servers: [] });
        this.timer = null;
        onWillStart(async () => {
            const groups = ["account.group_account_invoice", "account.group_account_readonly"];
            this.state.isFor = (await Promise.all(groups.map((group) => user.hasGroup(group)))).some(Boolean);
        });
        onWillUnmount(() => clearInterval(this.timer));
    }

    onOpened(isOpen) {
        clearInterval(this.timer);
        if (isOpen) {
            this.load();
            this.timer = setInterval(() => !document.hidden && this.load(), INTERVAL);
        }
    }

    async load() {
        const overview = await this.orm.silent.call("astpp.server", "sync_overview", []);
        this.state.mayStart = overview.may_sync;
        this.state.servers = overview.servers;
    }

    async start(server) {
        await this.orm.call("astpp.server", "action_sync", [[server.id]]);
        await this.load();
    }

    when(server) {
        return server.date ? formatDateTime(deserializeDateTime(server.date)) : "";
    }

    open() {
        return this.action.doAction("astpp_billing.action_astpp_server_health");
    }
}

registry.category("systray").add("astpp_billing.sync_tray", { Component: SyncTray }, { sequence: 30 });
