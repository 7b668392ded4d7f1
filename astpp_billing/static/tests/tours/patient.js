/** The longest that Odoo lets a step take; by itself it gives up after ten seconds, whatever else the machine does. */
const LONGEST = 60000;

/** Give each step of a tour the time that a busy machine takes. */
export function patient(steps) {
    return steps.map((step) => ({ timeout: LONGEST, ...step }));
}
