/**
 * Makes `docs/events.md` from the catalogue in `src/core/log-events.ts`.
 *
 *   node scripts/log-events.ts           writes it
 *   node scripts/log-events.ts --check   fails if it differs
 */
import { readFileSync, writeFileSync } from "node:fs";
import { LOG_EVENTS } from "../src/core/log-events.ts";

const PATH = "docs/events.md";

const events = Object.entries(LOG_EVENTS).toSorted(([a], [b]) => (a < b ? -1 : 1));

const text = `# What is logged

Lovage writes a line of JSON for each of these events to the Worker's log: the event's name in \`event\`, and its fields. An \`error\` line says that something is lost or refused; a \`warn\` line that something is late and is made up for by itself. No line holds a payload, an API key or a token.

This page is made from [\`src/core/log-events.ts\`](../src/core/log-events.ts) by \`node scripts/log-events.ts\`.

${events
  .map(([name, { level, means, fields }]) => {
    const list = Object.entries(fields).map(([field, holds]) => `- \`${field}\`: ${holds}\n`);
    return `## ${name}\n\n\`${level}\`. ${means}\n${list.length > 0 ? `\n${list.join("")}` : ""}`;
  })
  .join("\n")}`;

if (!process.argv.includes("--check")) writeFileSync(PATH, text);
else if (readFileSync(PATH, "utf8") !== text) {
  console.error(`${PATH} is not what the catalogue says; run \`node scripts/log-events.ts\``);
  process.exitCode = 1;
}
