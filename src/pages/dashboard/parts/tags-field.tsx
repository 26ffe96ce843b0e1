/** A field for tags. */

import type { Signal } from "@preact/signals";
import { TextField } from "./fields.tsx";
import { tagsOf } from "./tag-words.ts";

export function TagsField({ value }: { value: Signal<string> }) {
  const hint = tagsOf(value.value) === null ? { hint: 'Write name=value, or name="two words".' } : {};
  return <TextField label="Tags" value={value} placeholder="customer=42 plan=pro" {...hint} />;
}
