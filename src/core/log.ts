/** The one function that logs. */

import { LOG_EVENTS } from "./log-events.ts";

export type LogEventName = keyof typeof LOG_EVENTS;

type Value = string | number | null | undefined | readonly string[];

/** The fields of an event. An `error` may be whatever was thrown: its text is logged. */
type Fields<Name extends LogEventName> = {
  [Field in keyof (typeof LOG_EVENTS)[Name]["fields"]]: Field extends "error" ? unknown : Value;
};

/** Logs one line of JSON: the event's name, then its fields. */
export function log<Name extends LogEventName>(event: Name, fields: Fields<Name>): void {
  const { error, ...rest } = fields as { error?: unknown } & Record<string, unknown>;
  // oxlint-disable-next-line no-base-to-string -- a bare object that was thrown has no better text
  const text = error === undefined ? {} : { error: error === null ? null : String(error) };
  console[LOG_EVENTS[event].level](JSON.stringify({ event, ...rest, ...text }));
}
