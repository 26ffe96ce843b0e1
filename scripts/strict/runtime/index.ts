/** The exports for the generated modules of the strict platform. */

export { StrictReport, strictEntrypoint, strictHandlers, strictObject } from "./entry.ts";
export { front } from "./front.ts";
export { D1Gate } from "./gate.ts";
