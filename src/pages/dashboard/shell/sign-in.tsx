/** Asks for a key. */

import { useState } from "preact/hooks";
import { faultWords } from "../acts.ts";
import { signIn, signInWords } from "../session.ts";

export function SignIn() {
  const [key, setKey] = useState("");
  const [remember, setRemember] = useState(false);
  const [isBusy, setBusy] = useState(false);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (key.trim() === "") {
      signInWords.value = "Enter a key.";
      return;
    }
    setBusy(true);
    try {
      await signIn(key.trim(), remember);
    } catch (error) {
      signInWords.value = faultWords(error);
      setBusy(false);
    }
  }

  return (
    <main class="sign-in" id="content" tabIndex={-1}>
      <p class="brand">
        <span class="leaf" aria-hidden="true" />
        Lovage
      </p>
      <h1>Dashboard</h1>
      <p class="lead">What your tasks do, why they wait, and how to act on them.</p>
      <form onSubmit={(event) => void submit(event)} novalidate>
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          value={key}
          aria-describedby="key-status"
          aria-invalid={signInWords.value === "" ? undefined : true}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
        <p id="key-status" class="refusal" role="alert">
          {signInWords.value}
        </p>
        <label class="check">
          <input type="checkbox" checked={remember} onChange={(event) => setRemember(event.currentTarget.checked)} />
          Keep it in this browser
        </label>
        <p class="hint">
          Otherwise this tab forgets it when it is closed. The key goes to this service and nowhere else.
        </p>
        <button type="submit" class="primary" disabled={isBusy}>
          Sign in
        </button>
      </form>
      <p class="hint">
        <code>npm start</code> prints the key of a local service. A key with the scope <code>read</code> sees everything
        and changes nothing. <a href="./docs">API reference</a>
      </p>
    </main>
  );
}
