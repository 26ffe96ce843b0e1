/** Writes a dag: nodes by their names, and which node needs which. */

import { asNode, type AnyNode, type DagEntry, type FlowNode, type PassedToAll, type ResultOf } from "./flow-node.ts";

type DagEntries = Readonly<Record<string, DagEntry>>;

type ResultInDag<Entries extends DagEntries, Name> = Name extends keyof Entries
  ? ResultOf<Entries[Name]["node"]> | (Entries[Name] extends { onFailure: "ignore" } ? null : never)
  : never;

type NeededIn<Entry> = Entry extends { needs: readonly (infer Name)[] } ? Name : never;

/** Checks that a dag's needs are its names, and that each node takes the results of the nodes that it needs. */
type CheckedDag<Entries extends DagEntries> = {
  [Name in keyof Entries]: {
    node: [NeededIn<Entries[Name]>] extends [never]
      ? AnyNode
      : FlowNode<{ [Need in NeededIn<Entries[Name]> & string]: ResultInDag<Entries, Need> }, unknown>;
    needs?: readonly Exclude<keyof Entries, Name>[];
  };
};

/** The results of the nodes that no other node needs. */
type DagResult<Entries extends DagEntries> = {
  -readonly [Name in Exclude<keyof Entries, NeededIn<Entries[keyof Entries]>>]: ResultInDag<Entries, Name>;
};

/** The nodes of `Entries` that need no other are passed what the dag is passed. */
type PassedToDag<Entries extends DagEntries> = PassedToAll<
  {
    [Name in keyof Entries]: [NeededIn<Entries[Name]>] extends [never] ? Entries[Name]["node"] : never;
  }[keyof Entries][]
>;

/** A graph by names; results in `{ name: result }` of the nodes that no other node needs. */
export function dag<const Entries extends DagEntries>(
  entries: Entries & CheckedDag<Entries>,
): FlowNode<PassedToDag<Entries>, DagResult<Entries>> {
  return asNode({ dag: entries });
}
