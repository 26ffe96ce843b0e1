/** `GET /problems/{name}`: where the `type` of a problem leads. */

import { html } from "hono/html";
import { z } from "zod";
import { addressOf } from "../contract/addresses.ts";
import { PROBLEMS, type ProblemName } from "../core/problem-kinds.ts";
import { preferredType } from "./negotiate.ts";
import { operation } from "./operation.ts";
import { refuse } from "./problem.ts";

const explanationSchema = z
  .object({ type: z.string(), title: z.string(), status: z.int(), meaning: z.string(), remedy: z.string() })
  .meta({ id: "ProblemExplanation" });

type Explanation = z.output<typeof explanationSchema>;

export const getProblem = operation({
  id: "explainProblem",
  method: "get",
  path: "/problems/{name}",
  tag: "reference",
  summary: "Explain a problem",
  description: "What a problem's `type` means and what to do about it; to a browser as a page.",
  scope: null,
  answers: {
    200: { description: "What it means", schema: explanationSchema, also: { "text/html": "The same as a page" } },
  },
  problems: ["not-found"],
  handle({ c, params }) {
    const name = params["name"]!;
    if (!Object.hasOwn(PROBLEMS, name)) return refuse("not-found", "There is no problem of this name.");
    const { title, status, meaning, remedy } = PROBLEMS[name as ProblemName];
    const explanation = { type: addressOf(`/problems/${name}`), title, status, meaning, remedy };
    const type = preferredType(c, ["application/json", "text/html"]);
    return type === "text/html" ? c.html(pageOf(name, explanation)) : c.json(explanation, 200);
  },
});

function pageOf(name: string, { title, status, meaning, remedy }: Explanation) {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · Lovage</title>
        <link rel="stylesheet" href="../problem.css" />
      </head>
      <body>
        <main>
          <p class="where"><a href="../">Lovage</a> · problem <code>${name}</code> · status ${status}</p>
          <h1>${title}</h1>
          <p>${meaning}</p>
          <h2>What to do</h2>
          <p>${remedy}</p>
          <p><a href="../docs">API reference</a></p>
        </main>
      </body>
    </html>`;
}
