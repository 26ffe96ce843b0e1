/** What the page shows, kept in its address, behind the `#`, so that a link shows the same and no server logs a filter. */

import { signal } from "@preact/signals";

export interface Place {
  view: string;
  /** The id of the one thing that is shown; null for a list. */
  id: string | null;
  query: URLSearchParams;
}

/** What a link can set in an address. Undefined and empty values are left out. */
export type Query = Readonly<Record<string, string | undefined>>;

/** Reads what stands behind the `#`. */
export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view = "", ...rest] = path.split("/");
  const id = rest.length === 0 ? null : decoded(rest.join("/"));
  return { view: view === "" ? "now" : view, id: id === "" ? null : id, query: new URLSearchParams(query) };
}

/** The address of a view. */
export function hrefTo(view: string, id: string | null = null, query: Query = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => (entry[1] ?? "") !== "");
  const text = new URLSearchParams(given).toString();
  return `#/${view}${id === null ? "" : `/${encodeURIComponent(id)}`}${text === "" ? "" : `?${text}`}`;
}

/** Where the page is. */
export const here = signal(placeOf(location.hash));

addEventListener("hashchange", () => {
  here.value = placeOf(location.hash);
});

/** Goes to an address, as a link does. */
export function go(href: string): void {
  location.hash = href;
}

/** Changes some of the query of the present view. `replace` leaves no step in the browser's history. */
export function change(query: Query, replace = false): void {
  const { view, id, query: present } = here.value;
  const href = hrefTo(view, id, { ...Object.fromEntries(present), ...query });
  if (!replace) return go(href);
  history.replaceState(null, "", href);
  here.value = placeOf(href);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
