/** Colours of what a command prints. */

import { styleText } from "node:util";

export type Colour = "green" | "red" | "yellow" | "cyan" | "gray";

/** The text in that colour where `stream` is a terminal; `NO_COLOR` and `FORCE_COLOR` decide otherwise. */
export function paint(colour: Colour, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(colour, text, { stream });
}
