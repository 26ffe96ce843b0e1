/** Places in JSON as linked lists, the innermost part first: going one level deeper copies nothing. */

import { pointer } from "./problems.ts";

/** One member or item of the place around it; null is the whole. */
export type Path = { readonly around: Path; readonly part: string | number } | null;

export function inside(around: Path, ...parts: (string | number)[]): Path {
  return parts.reduce<Path>((path, part) => ({ around: path, part }), around);
}

/** The members and items on the way to the place, the outermost first. */
export function partsOf(path: Path): (string | number)[] {
  const parts: (string | number)[] = [];
  for (let here = path; here !== null; here = here.around) parts.push(here.part);
  return parts.toReversed();
}

/** RFC 6901. */
export function pointerTo(path: Path): string {
  return pointer(partsOf(path));
}
