/** References: what stands in a flow's inputs for values that are known only when the task starts. */

/** Stands for what the node is passed, or for the result of a node that it needs, or for a part of that. */
export interface Reference<Name extends string = string> {
  readonly $from: Name;
  /** A JSON pointer (RFC 6901). */
  readonly path?: string;
}

/** Stands for the whole of what the node is passed. */
export interface Previous {
  readonly $from: "previous";
}

/** What the node is passed, or the part of it at `path`, a JSON pointer such as `/rows/0`. */
export function previous(): Previous;
export function previous(path: string): Required<Reference<"previous">>;
export function previous(path?: string): Reference {
  return from("previous", path);
}

/** The result of a node of the dag that this one needs, or the part of it at `path`, a JSON pointer. */
export function from<Name extends string>(name: Name, path?: string): Reference<Name> {
  return { $from: name, ...(path === undefined ? {} : { path }) };
}

/** An input in which references may stand anywhere. */
export type Referable<T> = T | Reference | (T extends object ? { [Member in keyof T]: Referable<T[Member]> } : never);

/**
 * What a node with this input must be passed. Without an input, that is its input; where
 * `previous()` stands, the schema says; a part of it only says that there must be parts.
 */
export type PassedFor<Given, Input> = [Given] extends [undefined] ? Input : Meet<Demands<Given, Input>>;

/** A function for each demand: their parameters meet in an intersection. */
type Demands<Given, Input> = Given extends unknown ? (passed: Demand<Given, Input>) => void : never;

type Meet<Functions> = [Functions] extends [(passed: infer Passed) => void] ? Passed : unknown;

type Demand<Given, Input> =
  Given extends Required<Reference<"previous">>
    ? object
    : Given extends Previous
      ? Input
      : Given extends Reference
        ? unknown
        : Given extends readonly (infer Item)[]
          ? Meet<Demands<Item, ItemOf<Input>>>
          : Given extends object
            ? Meet<{ [Member in keyof Given]: Demands<Given[Member], MemberOf<Input, Member>> }[keyof Given]>
            : unknown;

type ItemOf<T> = T extends readonly (infer Item)[] ? Item : Unsaid<T>;

type MemberOf<T, Member> = T extends unknown ? (Member extends keyof T ? T[Member] : Unsaid<T>) : never;

/** A schema of `unknown` demands nothing; a branch of a union that has no such place is not the branch that is meant. */
type Unsaid<T> = unknown extends T ? unknown : never;
