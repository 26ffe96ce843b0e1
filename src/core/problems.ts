/** A refusal: which kind of problem it is, what is said of it, and which parts of the request are at fault. */

import { meant } from "./nearest.ts";
import type { ProblemName } from "./problem-kinds.ts";
import type { QuotaName } from "./quotas.ts";

/** One fault of a request, and where it is (RFC 6901 pointer into the body, `/query/x` for a parameter). */
export interface Fault {
  pointer: string;
  detail: string;
}

/** What a program may want to know of a problem. */
export interface ProblemMembers {
  /** The quota that is reached, how much of it is used, and how much there is. */
  quota?: QuotaName;
  used?: number;
  limit?: number;
  /** What a bulk verb had done before it was refused. */
  matched?: number;
  changed?: number;
}

/** An expected refusal: what was wrong, where, and what would be right. Rendered as problem+json. */
export interface Problem {
  name: ProblemName;
  detail: string;
  errors?: Fault[];
  /** Seconds until it is worth asking again. */
  retryAfter?: number;
  /** Members beyond the standard's own (RFC 9457 §3.2). */
  more?: ProblemMembers;
}

/** Carries a {@link Problem} to the one place that renders it. */
export class ProblemError extends Error {
  readonly problem: Problem;
  /** Headers that the answer must carry, such as `Retry-After`. */
  readonly headers: Record<string, string>;
  constructor(problem: Problem, headers: Record<string, string> = {}) {
    super(problem.detail);
    this.problem = problem;
    this.headers = headers;
  }
}

/** Faults that one answer lists. A search for faults stops at one more, so that the answer can say that there are more. */
export const MAX_FAULTS = 100;

/** Characters of a pointer, of a sentence, and of all faults of an answer: what a caller sends is not echoed at length. */
const MAX_POINTER = 1_000;
const MAX_WORDS = 500;
const MAX_FAULTS_LENGTH = 32_768;

const MORE = "There are more faults than these.";

export function problem(name: ProblemName, detail: string, errors: Fault[] = []): Problem {
  const words = clip(detail);
  if (errors.length === 0) return { name, detail: words };
  const { listed, isCut } = listable(errors, MAX_FAULTS);
  return { name, detail: isCut ? `${words} ${MORE}` : words, errors: listed };
}

/** The same problem with at most so many of its faults. */
export function withFewerFaults(given: Problem, most: number): Problem {
  const { errors = [], ...rest } = given;
  if (errors.length <= most) return given;
  const detail = rest.detail.endsWith(MORE) ? rest.detail : `${rest.detail} ${MORE}`;
  return most > 0 ? { ...rest, detail, errors: errors.slice(0, most) } : { ...rest, detail };
}

function listable(errors: Fault[], most: number): { listed: Fault[]; isCut: boolean } {
  const listed: Fault[] = [];
  let length = 0;
  for (const error of errors) {
    const fault = { ...error, pointer: clipPointer(error.pointer), detail: clip(error.detail) };
    length += fault.pointer.length + fault.detail.length;
    if (listed.length === most || (listed.length > 0 && length > MAX_FAULTS_LENGTH)) return { listed, isCut: true };
    listed.push(fault);
  }
  return { listed, isCut: false };
}

function clip(text: string): string {
  return text.length <= MAX_WORDS ? text : `${text.slice(0, MAX_WORDS - 1).toWellFormed()}…`;
}

/** Shortens a pointer that is too long to that of a value around it. */
function clipPointer(text: string): string {
  return text.length <= MAX_POINTER ? text : text.slice(0, text.slice(0, MAX_POINTER + 1).lastIndexOf("/"));
}

/** The segments as an RFC 6901 pointer. */
export function pointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Cuts a name to the length that {@link clipPointer} reads. */
const shortened = (part: PropertyKey) => (typeof part === "string" ? part.slice(0, MAX_POINTER + 1) : part);

/** A fault that a schema finds in a value. */
export interface SchemaIssue {
  code: string;
  path: readonly PropertyKey[];
  message: string;
  keys?: readonly string[];
  /** Where `keys` are unknown members: the names that the schema knows. */
  known?: readonly string[];
  errors?: readonly (readonly SchemaIssue[])[];
  /** What is wrong with a member's name. */
  issues?: readonly SchemaIssue[];
}

/** A schema's issues as faults below `base`, as many as are of use; an unknown member is pointed at by its own name. */
export function faults(issues: readonly SchemaIssue[], base: readonly PropertyKey[] = []): Fault[] {
  const found: Fault[] = [];
  for (const issue of issues) {
    const add = (detail: string, ...inside: PropertyKey[]) =>
      found.push({ pointer: pointer([...base, ...issue.path, ...inside].map(shortened)), detail });
    if (issue.code === "unrecognized_keys" && issue.keys) {
      for (const key of issue.keys.slice(0, MAX_FAULTS + 1)) add(`unknown member${meant(key, issue.known ?? [])}`, key);
    } else add((issue.code === "invalid_key" ? issue.issues?.[0]?.message : undefined) ?? issue.message);
    if (found.length > MAX_FAULTS) break;
  }
  return found;
}
