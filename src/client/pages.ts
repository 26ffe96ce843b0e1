/** Lists that come in pages. */

/** One page of a list. */
export interface Page<Item> {
  items: Item[];
  /** Null on the last page. */
  nextCursor: string | null;
}

/** A list: iterate over all of its items, or read it page by page. No request is sent before that. */
export interface Pages<Item> extends AsyncIterable<Item> {
  /** The first page, or the one at this cursor. */
  page(cursor?: string | null): Promise<Page<Item>>;
}

export function pagesOf<Item>(page: (cursor?: string | null) => Promise<Page<Item>>): Pages<Item> {
  return {
    page,
    async *[Symbol.asyncIterator]() {
      let cursor: string | null = null;
      do {
        const { items, nextCursor }: Page<Item> = await page(cursor);
        yield* items;
        cursor = nextCursor;
      } while (cursor !== null);
    },
  };
}
