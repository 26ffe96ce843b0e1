/** One verb of the command: its options, checked strictly, and what it does. */

import { defineCommand, type ArgsDef, type CommandDef, type ParsedArgs } from "citty";
import { nearest } from "../src/core/nearest.ts";
import { Failure } from "./failure.ts";

interface Verb<T extends ArgsDef> {
  name: string;
  description: string;
  args: T;
  run: (args: ParsedArgs<T>) => void | Promise<void>;
}

/** Defines a verb. Unlike citty's own, it refuses options and words that it does not know, instead of ignoring them. */
export function defineVerb<const T extends ArgsDef>({ name, description, args, run }: Verb<T>): CommandDef {
  const positionals = Object.values(args).filter(({ type }) => type === "positional").length;
  const command = defineCommand({
    meta: { name, description },
    args,
    run: async ({ args: given, rawArgs }) => {
      refuseUnknown(name, args, rawArgs);
      const extra = given._.slice(positionals);
      if (extra.length > 0)
        throw new Failure(`lovage ${name} takes no ${JSON.stringify(extra[0])}: see lovage ${name} --help`);
      await run(given);
    },
  });
  // The type of a list of verbs does not know their options.
  return command as unknown as CommandDef;
}

function refuseUnknown(name: string, args: ArgsDef, rawArgs: readonly string[]): void {
  const end = rawArgs.indexOf("--");
  for (const raw of end < 0 ? rawArgs : rawArgs.slice(0, end)) {
    const [, dashes = "", option] = /^(--?)(?:no-)?([a-z][^=]*)/i.exec(raw) ?? [];
    if (option === undefined || (dashes === "--" && option in args)) continue;
    const known = Object.entries(args).flatMap(([key, { type }]) => (type === "positional" ? [] : [key]));
    const list = known.map((key) => `--${key}`).join(", ") || "none";
    const near = nearest(option, known);
    const hint = near === null ? `it has ${list}` : `did you mean --${near}?`;
    throw new Failure(`lovage ${name} has no option ${dashes}${option}; ${hint}`);
  }
}

/** A number from an option's text. */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (text.trim() !== "" && Number.isInteger(number) && number >= least && number <= most) return number;
  throw new Failure(`--${option} takes a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
}
