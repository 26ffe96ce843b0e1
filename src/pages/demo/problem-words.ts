/** The words of a failed request for a visitor. */

import type { ProblemResource } from "../../contract/problem.ts";

/** Reads a problem+json answer; copes with any other body. */
export async function problemWords(response: Response): Promise<string> {
  const problem = await readProblem(response);
  const said = problem.errors?.map((error) => error.detail).join("; ") || problem.detail || problem.title;
  switch (response.status) {
    case 422:
      return sentence(said ?? "That name was not accepted");
    case 429:
      return `Too many items at once. ${again(response)}`;
    case 503:
      return `The service is not ready${said ? ` (${unpunctuated(said)})` : ""}. ${again(response)}`;
    default:
      return sentence(said ?? `The server answered ${response.status}`);
  }
}

async function readProblem(response: Response): Promise<Partial<ProblemResource>> {
  if (!response.headers.get("content-type")?.includes("json")) return {};
  try {
    return (await response.json()) as Partial<ProblemResource>;
  } catch {
    return {};
  }
}

function again(response: Response): string {
  const seconds = Number(response.headers.get("retry-after"));
  return seconds > 0 ? `Try again in ${seconds} s.` : "Try again in a moment.";
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${unpunctuated(text).slice(1)}.`;
}

function unpunctuated(text: string): string {
  return text.replace(/\.$/, "");
}
