/** A call of the API, as one can copy it. */

import { BASE } from "./session.ts";

export interface Call {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With its query. */
  path: string;
  body?: unknown;
}

/** The call as a line for a shell, which takes the key from its environment unless it is given here. */
export function curlOf({ method, path, body }: Call, key?: string): string {
  const lines = [
    `curl ${method === "GET" || (method === "POST" && body !== undefined) ? "" : `-X ${method} `}${quoted(BASE + path)}`,
  ];
  lines.push(
    key === undefined ? `-H "Authorization: Bearer $API_KEY"` : `-H ${quoted(`Authorization: Bearer ${key}`)}`,
  );
  if (body !== undefined) lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  return lines.join(" \\\n  ");
}

/** A value as it stands in code. */
export function literal(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "undefined";
}

/** The path with this query; undefined values are left out. */
export function pathWith(path: string, query: Readonly<Record<string, unknown>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "") parameters.append(name, String(each));
    }
  }
  const text = parameters.toString();
  return text === "" ? path : `${path}?${text}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
