/** Maps the stacks of the bundle to the lines of the sources. */

import { SourceMap } from "node:module";
import { relative, resolve } from "node:path";
import { MODULE } from "./bundle.ts";

/** A place in the bundle, as V8 names it. */
const PLACE = new RegExp(`(?:file:(?:///)?)?[\\w/.-]*${MODULE.replace(".", "\\.")}:(\\d+):(\\d+)`, "g");

export class Stacks {
  readonly #root: string;
  #text = "";
  #map: SourceMap | null = null;

  constructor(root: string) {
    this.#root = root;
  }

  /** Sets the source map of the bundle from which stacks come from now on. */
  use(map: string): void {
    this.#text = map;
    this.#map = null;
  }

  /** The text with the sources' places in it. */
  map(text: string): string {
    return text.replaceAll(PLACE, (place: string, line: string, column: string) => {
      if (this.#text === "") return place;
      // Read when it is needed: that takes a tenth of a swap.
      this.#map ??= new SourceMap(JSON.parse(this.#text) as ConstructorParameters<typeof SourceMap>[0]);
      const entry = this.#map.findEntry(Number(line) - 1, Number(column) - 1);
      if (!("originalSource" in entry)) return place;
      // The map's paths begin at the folder in which the bundle would have been written.
      const source = relative(this.#root, resolve("/lovage-bundle", entry.originalSource));
      return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    });
  }

  /** Only the message and those lines of a mapped stack that are the user's own. */
  own(stack: string): string {
    const lines = this.map(stack).split("\n");
    const own = lines.filter(
      (line) =>
        !/^\s+at /.test(line) ||
        !/node_modules\/|lovage-libraries\/|\(?node:|cloudflare:|\(index \d+\)|src\/(worker|engine)\//.test(line),
    );
    return (own.some((line) => /^\s+at /.test(line)) ? own : lines).join("\n");
  }
}
