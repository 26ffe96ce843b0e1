/** JSON text that goes into a larger JSON text as it is: stored inputs and results are shown without being parsed. Pure. */

/** The texts that the current call of {@link writeWithTexts} has met, and the placeholder for each of them. */
let underWay: { texts: string[]; mark: string } | null = null;

/** A value held as JSON text. {@link writeWithTexts} inserts the text as it is; any other JSON writer gets the parsed value. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): unknown {
    if (underWay === null) return JSON.parse(this.text) as unknown;
    underWay.texts.push(this.text);
    return underWay.mark;
  }
}

/**
 * The value as JSON, with each {@link JsonText} in it as it is. `mark` stands for them while the rest is written, and must be a
 * string that cannot be in the value: a new UUID.
 */
export function writeWithTexts(value: unknown, mark: string): string {
  const texts: string[] = [];
  underWay = { texts, mark };
  let around: string;
  try {
    around = JSON.stringify(value);
  } finally {
    underWay = null;
  }
  if (texts.length === 0) return around;
  const parts = around.split(`"${mark}"`);
  return parts.map((part, i) => part + (texts[i] ?? "")).join("");
}
