/** `lovage doctor`: what is wrong with a project, and how to mend it. */

import { portOf } from "../failure.ts";
import { defineVerb } from "../verb.ts";
import { examine } from "./examine.ts";

export const doctor = defineVerb({
  name: "doctor",
  description: "Looks at Node, the configuration, bindings, migrations, pages, key and port, and says how to mend each",
  args: { port: { type: "string", description: "Where the service listens: 8787, or PORT, unless given" } },
  run: async ({ port }) => {
    const findings = await examine(".", portOf(port ?? process.env["PORT"] ?? "8787"));
    for (const { what, fault, told } of findings) {
      console.log(`${fault === null ? "ok   " : "WRONG"}  ${what.padEnd(13)}  ${fault ?? told}`);
    }
    if (findings.some(({ fault }) => fault !== null)) process.exitCode = 1;
  },
});
