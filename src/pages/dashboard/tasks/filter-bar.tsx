/** The filter, which completes names and values. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Stats } from "../../../contract/stats.ts";
import { change } from "../address.ts";
import { useKeys } from "../shell/keyboard.ts";
import { completed, completionsOf, typedName } from "./completion.ts";
import { filterOf, termsOf, textOf } from "./filter.ts";
import { keepView, keptViews } from "./kept-views.ts";
import { useOffers } from "./offered.ts";

export function FilterBar({ text, stats, tags }: { text: string; stats: Stats | undefined; tags: readonly string[] }) {
  const [typed, setTyped] = useState(text);
  const [isOpen, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => setTyped(text), [text]);
  useKeys({ "/": () => field.current?.focus() });

  const offers = useOffers(isOpen ? typedName(typed) : "");
  const found = isOpen ? completionsOf(typed, stats, tags, offers) : [];
  const terms = termsOf(typed);
  const { faults } = filterOf(isOpen ? terms.slice(0, -1) : terms, Date.now());

  function apply(next: string): void {
    setOpen(false);
    setTyped(next.trim());
    change({ f: next.trim(), cursor: undefined });
  }

  function take(index: number): void {
    const next = completed(typed, found[index]!);
    setTyped(next);
    setAt(-1);
    field.current?.focus();
  }

  return (
    <form
      class="filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (isOpen && at >= 0 && found[at] !== undefined) take(at);
        else apply(typed);
      }}
    >
      <div class="combo">
        <input
          ref={field}
          type="text"
          role="combobox"
          aria-label="Filter"
          aria-expanded={found.length > 0}
          aria-controls="filter-list"
          aria-autocomplete="list"
          aria-activedescendant={at >= 0 && found[at] ? `filter-${at}` : undefined}
          aria-invalid={faults.length > 0 ? true : undefined}
          placeholder="words, an id, or state:failed task:… tag.customer:42 created:2h"
          autocomplete="off"
          spellcheck={false}
          value={typed}
          onFocus={() => setOpen(true)}
          onBlur={() => setOpen(false)}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            setOpen(true);
            setAt(-1);
          }}
          onKeyDown={(event) => {
            const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
            if (step !== 0 && found.length > 0) {
              event.preventDefault();
              setAt((at + step + found.length) % found.length);
            }
            if (event.key === "Tab" && !event.shiftKey && found.length > 0 && typed.trim() !== text) {
              event.preventDefault();
              take(Math.max(0, at));
            }
          }}
        />
        <ul id="filter-list" role="listbox" aria-label="Completions" hidden={found.length === 0}>
          {found.map((each, i) => (
            <li
              key={each.text}
              id={`filter-${i}`}
              role="option"
              aria-selected={i === at}
              onMouseDown={(event) => {
                event.preventDefault();
                take(i);
              }}
            >
              <span>{each.text}</span> <span class="soft">{each.words}</span>
            </li>
          ))}
        </ul>
      </div>
      <button type="submit" class="quiet">
        Find
      </button>
      {text !== "" && (
        <button type="button" class="quiet" onClick={() => apply("")}>
          Clear
        </button>
      )}
      <Kept text={text} />
      {faults.length > 0 && (
        <p class="refusal" role="alert">
          {faults.join("; ")}
        </p>
      )}
      {terms.length > 1 && text !== "" && (
        <p class="terms">
          {terms.map((term, i) => (
            <button
              key={textOf([term])}
              type="button"
              class="term"
              aria-label={`Without ${textOf([term])}`}
              onClick={() => apply(textOf(terms.filter((_, other) => other !== i)))}
            >
              {textOf([term])} <span aria-hidden="true">×</span>
            </button>
          ))}
        </p>
      )}
    </form>
  );
}

/** Filters that this browser keeps. */
function Kept({ text }: { text: string }) {
  const kept = keptViews.value;
  const isKept = kept.includes(text);
  if (kept.length === 0 && text === "") return null;
  return (
    <details class="columns">
      <summary>Saved</summary>
      <div class="menu">
        {kept.map((each) => (
          <a key={each} href={`#/tasks?${new URLSearchParams({ f: each }).toString()}`}>
            {each}
          </a>
        ))}
        {text !== "" && (
          <button type="button" class="quiet" onClick={() => keepView(text)}>
            {isKept ? "Forget this filter" : "Keep this filter"}
          </button>
        )}
      </div>
    </details>
  );
}
