/** The frame around every view: sign-in, navigation, what the service's state is, and the dialogs. */

import { useEffect } from "preact/hooks";
import { here } from "../address.ts";
import { may, resume, session, signInWords, signOut, storedKey } from "../session.ts";
import { said, faultWords } from "../acts.ts";
import { SecretDialog } from "../keys/secret.tsx";
import { AwayBanner } from "./away-banner.tsx";
import { ActDialog } from "./act-dialog.tsx";
import { HelpDialog } from "./help-dialog.tsx";
import { listenToKeys } from "./keyboard.ts";
import { Palette } from "./palette.tsx";
import { SignIn } from "./sign-in.tsx";
import { VIEWS, viewOf } from "./views.tsx";

export function Shell() {
  useEffect(() => {
    const key = storedKey();
    if (key !== null) {
      resume(key).catch((error: unknown) => {
        signInWords.value = faultWords(error);
      });
    }
    return listenToKeys();
  }, []);

  return (
    <>
      <a class="skip" href="#content" onClick={toContent}>
        Skip to the content
      </a>
      {session.value === null ? <SignIn /> : <SignedIn />}
      <Said />
    </>
  );
}

function SignedIn() {
  const { view } = here.value;
  const found = viewOf(view);
  useEffect(() => {
    document.title = `${found?.title ?? "Not found"} · Lovage dashboard`;
    // On a narrow screen the navigation is wider than the page.
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [found]);
  return (
    <>
      <Top />
      <AwayBanner />
      <main id="content" tabIndex={-1}>
        {found === undefined ? (
          <NotThere />
        ) : found.scope !== undefined && !may(found.scope) ? (
          <NotAllowed scope={found.scope} />
        ) : (
          <found.show />
        )}
      </main>
      <ActDialog />
      <SecretDialog />
      <HelpDialog />
      <Palette />
    </>
  );
}

function Top() {
  const { view } = here.value;
  const own = session.value!.own;
  return (
    <header class="top">
      <a class="brand" href="#/now">
        <span class="leaf" aria-hidden="true" />
        Lovage
      </a>
      <nav aria-label="Views">
        <ul>
          {VIEWS.map(({ name, title }) => (
            <li key={name}>
              <a href={`#/${name}`} aria-current={name === view ? "page" : undefined}>
                {title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <details class="account">
        <summary>{own.tenant}</summary>
        <div class="menu">
          <p>
            Key <code>{own.id}</code> of the tenant <b>{own.tenant}</b>.
          </p>
          <p>It may: {own.scopes.join(", ")}.</p>
          {own.expiresAt !== null && <p>It expires {new Date(own.expiresAt).toLocaleString()}.</p>}
          <p>
            <a href="./docs">API reference</a>
          </p>
          <button type="button" class="quiet" onClick={() => signOut()}>
            Sign out
          </button>
        </div>
      </details>
    </header>
  );
}

function NotThere() {
  return (
    <section class="empty">
      <h1>There is no such view</h1>
      <p>
        <a href="#/now">What happens now</a>
      </p>
    </section>
  );
}

function NotAllowed({ scope }: { scope: string }) {
  return (
    <section class="empty">
      <h1>This key may not look here</h1>
      <p>
        It lacks the scope <code>{scope}</code>; it has: {session.value!.own.scopes.join(", ")}. An admin makes another
        key under Keys, or with <code>POST /v1/keys</code>.
      </p>
    </section>
  );
}

function Said() {
  const { words = "", isFault = false } = said.value ?? {};
  return (
    <div class={`said${isFault ? " fault" : ""}`} role="status" hidden={words === ""}>
      {words}
    </div>
  );
}

function toContent(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("main")?.focus();
}
