/** What a caller types to find tasks. Pure. */

/** Finds tasks whose ids begin with `idPrefix`, or that hold all of the words. */
export interface Search {
  /** Null where words are meant. */
  idPrefix: string | null;
  words: string[];
}

/** Further words are ignored: they would hardly narrow the search. */
const MAX_WORDS = 10;

const ID_PREFIX = /^task_[0-9a-z]{1,26}$/;

export function searchOf(text: string): Search {
  const trimmed = text.trim();
  if (ID_PREFIX.test(trimmed)) return { idPrefix: trimmed, words: [] };
  const words = trimmed.normalize("NFC").match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
  return { idPrefix: null, words: [...new Set(words)].slice(0, MAX_WORDS) };
}

/** Whether the text holds a word or the beginning of an id. */
export function isSearch(text: string): boolean {
  const { idPrefix, words } = searchOf(text);
  return idPrefix !== null || words.length > 0;
}
