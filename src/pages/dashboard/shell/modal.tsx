/** A dialog over the page: the browser's own, which keeps the focus inside and closes with Escape. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export function Modal(props: { title: string; close: () => void; isWide?: boolean; children: ComponentChildren }) {
  const { title, close, isWide = false, children } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  // Before the next key: what is typed belongs to the dialog.
  useLayoutEffect(() => {
    const from = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (from instanceof HTMLElement && from.isConnected) from.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={isWide ? "wide" : undefined}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) close();
      }}
    >
      <div class="inside">{children}</div>
    </dialog>
  );
}
