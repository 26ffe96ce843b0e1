/** A call, to copy: as a line for a shell, also by the key `.`, and with the typed client. */

import { copy } from "../acts.ts";
import { curlOf, type Call } from "../call.ts";
import { useKeys } from "../shell/keyboard.ts";

interface AsCodeProps {
  call: Call;
  code: string;
  /** What it does, where several stand below each other, open. */
  title?: string;
}

export function AsCode({ call, code, title }: AsCodeProps) {
  const curl = curlOf(call);
  // One of several that stand open is copied by its button.
  useKeys(title !== undefined ? {} : { ".": () => void copy(curl, "curl") });
  return (
    <details class="as-code" open={title !== undefined}>
      <summary>{title ?? "As curl and as code"}</summary>
      <Copyable text={curl} label="curl" />
      <Copyable text={code} label="lovage/client" />
    </details>
  );
}

/** Text with a button that copies it. */
export function Copyable({ text, label }: { text: string; label: string }) {
  return (
    <figure class="code">
      <figcaption>
        <span>{label}</span>
        <button type="button" class="quiet" onClick={() => void copy(text, label)}>
          Copy<span class="unseen"> {label}</span>
        </button>
      </figcaption>
      {/* A region that scrolls must be reachable by keys. */}
      <pre tabIndex={0} role="group" aria-label={label}>
        <code>{text}</code>
      </pre>
    </figure>
  );
}
