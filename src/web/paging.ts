/** Pages: an opaque cursor, and a `Link` header (RFC 8288). */

import { z } from "zod";
import { answerJson } from "./answer-json.ts";
import type { AppContext } from "./app-context.ts";
import { refuse } from "./problem.ts";
import { wholeNumber } from "./request.ts";

/** The query parameters of every list. */
export const pageQuery = {
  limit: wholeNumber(1, 200).optional().meta({ description: "Items on a page, 50 unless given" }),
  cursor: z.string().optional().meta({ description: "The `nextCursor` of the page before" }),
};

/** The cursor of the place after this item. */
export function cursorAfter(id: string): string {
  return btoa(`1:${id}`).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The id in a cursor; 400 where no list returned it. `pointer`: where in the request it is. */
export function readCursor(
  cursor: string | undefined,
  isId: (text: string) => boolean,
  pointer = "/query/cursor",
): string | null {
  if (cursor === undefined) return null;
  try {
    const text = atob(cursor.replaceAll("-", "+").replaceAll("_", "/"));
    if (text.startsWith("1:") && isId(text.slice(2))) return text.slice(2);
  } catch {
    // Not base64: refused below.
  }
  refuse("invalid-cursor", "Use the nextCursor of a page as it was given.", [
    { pointer, detail: "not a cursor of this list" },
  ]);
}

/** A page of a list; `nextCursor` is null on the last one. `more`: further members of the answer. */
export function page<T>(c: AppContext, items: T[], nextCursor: string | null, more: object = {}): Response {
  linkNext(c, nextCursor);
  return answerJson(c, { items, nextCursor, ...more });
}

/** Adds a `Link` header to the next page, if there is one. `path`: where the pages are read, if not at the request's path. */
export function linkNext(c: AppContext, nextCursor: string | null, path?: string): void {
  if (nextCursor === null) return;
  const next = new URL(c.req.url);
  if (path !== undefined) next.pathname = path;
  next.searchParams.set("cursor", nextCursor);
  // Headers often end up in logs, so the link leaves the token out; the caller adds it again.
  next.searchParams.delete("token");
  c.header("Link", `<${next.pathname}${next.search}>; rel="next"`);
}
