/** Finds the name that a misspelt one was meant to be. */

/** How many characters of a name are compared. */
const COMPARED = 64;

/**
 * The name nearest to `given`: at most two letters inserted, deleted, changed or swapped; case and punctuation do not count.
 * Null where there is none.
 */
export function nearest(given: string, names: Iterable<string>): string | null {
  const letters = lettersOf(given);
  if (letters === "") return null;
  const most = letters.length < 4 ? 1 : 2;
  let found: string | null = null;
  let least = most + 1;
  for (const name of names) {
    const other = lettersOf(name);
    while (least > 0 && Math.abs(other.length - letters.length) < least && isWithin(letters, other, least - 1)) {
      found = name;
      least--;
    }
  }
  return found;
}

/** `; did you mean x?`, or nothing. */
export function meant(given: string, names: Iterable<string>): string {
  const name = nearest(given, names);
  return name === null ? "" : `; did you mean ${name}?`;
}

function lettersOf(name: string): string {
  return name
    .slice(0, COMPARED)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "");
}

/** Whether at most `changes` edits turn one into the other. Takes at most 4^`changes` times the length in steps. */
function isWithin(a: string, b: string, changes: number): boolean {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  const [x, y] = [a.slice(same), b.slice(same)];
  if (x === "" || y === "") return x.length + y.length <= changes;
  if (changes === 0) return false;
  const isSwapped = x.length > 1 && x[0] === y[1] && x[1] === y[0];
  return (
    isWithin(x.slice(1), y.slice(1), changes - 1) ||
    isWithin(x.slice(1), y, changes - 1) ||
    isWithin(x, y.slice(1), changes - 1) ||
    (isSwapped && isWithin(x.slice(2), y.slice(2), changes - 1))
  );
}
