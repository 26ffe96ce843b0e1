/** Ids: TypeIDs over UUIDv7 (https://github.com/jetify-com/typeid), so that they sort by the time they were made. */

import { TypeID, typeidUnboxed } from "typeid-js";
import { firstIdAt, TASK_ID } from "../core/id-time.ts";

const FLOW_ID = /^flow_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

const KEY_ID = /^key_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** `count` new task ids in ascending order. */
export function newTaskIds(count: number): string[] {
  return Array.from({ length: count }, () => typeidUnboxed("task") as string).toSorted();
}

/** A new id of another kind, such as `key_…` or `whk_…`. */
export function newId(prefix: string): string {
  return typeidUnboxed(prefix);
}

/** The same with the time `at` (ms since the epoch) in it: the first ten characters after the prefix are a UUIDv7's 48 bits of time. */
export function newIdAt(prefix: string, at: number): string {
  const time = prefix.length + 1 + 10;
  return firstIdAt(prefix, at).slice(0, time) + newId(prefix).slice(time);
}

export function isFlowId(text: string): boolean {
  return FLOW_ID.test(text);
}

export function isTaskId(text: string): boolean {
  return TASK_ID.test(text);
}

export function isKeyId(text: string): boolean {
  return KEY_ID.test(text);
}

/**
 * The task id for this name and time (ms since the epoch): every call returns the same one,
 * and it sorts by its time among all others. A UUIDv7 whose random bits are a hash of the name (RFC 9562 §5.7);
 * `nth` (0 to 4,095) is its place among those of the same time (§6.2), where it has one.
 */
export async function namedTaskId(name: string, at: number, nth?: number): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(name)));
  const bytes = hash.slice(0, 16);
  const time = new DataView(new ArrayBuffer(8));
  time.setBigUint64(0, BigInt(at) << 16n);
  bytes.set(new Uint8Array(time.buffer, 0, 6));
  if (nth !== undefined) bytes.set([nth >> 8, nth & 0xff], 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return TypeID.fromUUIDBytes("task", bytes).toString();
}
