import { registry } from "@web/core/registry";
import { patient } from "./patient";

/** An administrator starts a synchronisation from the tray, and sees it running. */
registry.category("web_tour.tours").add("astpp_sync_tray", {
    steps: () => patient([
        { content: "Open the tray", trigger: "button[title='ASTPP Synchronisation']", run: "click" },
        { content: "Start it", trigger: ".o_astpp_sync_tray button:contains('Synchronise Now')", run: "click" },
        { content: "It runs", trigger: ".o_astpp_sync_tray .progress" },
        { content: "Details", trigger: ".o_astpp_sync_tray button:contains('Details')", run: "click" },
        { content: "The card", trigger: ".o_kanban_record:contains('Tray') .o_progressbar" },
    ]),
});
