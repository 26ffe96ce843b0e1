/** JSON text that goes into a larger JSON text as it is: stored inputs and results are shown without being read. Pure. */

/** Texts that the write under way has met, and the string that stands for each of them meanwhile. */
let underWay: { texts: string[]; mark: string } | null = null;

/** A value that is known as JSON text only. Written by {@link writeWithTexts}, or by whatever else writes JSON, which reads it first. */
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
 * The value as JSON, with each {@link JsonText} in it as it stands. `mark` stands for them while the rest is written, and must
 * be a string that nobody can have put into the value: a new UUID.
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
