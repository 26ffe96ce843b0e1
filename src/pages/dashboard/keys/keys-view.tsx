/** Keys, and who changed what. */

import { signal } from "@preact/signals";
import { SCOPE_NAMES } from "./scope-names.ts";
import type { KeyResource } from "../../../contract/key.ts";
import type { Scope } from "../../../contract/scope.ts";
import { ask } from "../acts.ts";
import { here } from "../address.ts";
import { literal } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Badge } from "../parts/badge.tsx";
import { CheckField, TextField } from "../parts/fields.tsx";
import { Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { Age } from "../parts/time.tsx";
import { usePolled } from "../polled.ts";
import { now } from "../reach.ts";
import { client } from "../session.ts";
import { AuditLog } from "./audit-log.tsx";
import { showSecret } from "./secret.tsx";

const EVERY_MS = 15_000;

export function KeysView() {
  return here.value.id === "audit" ? (
    <>
      <Heads at="audit" />
      <AuditLog />
    </>
  ) : (
    <>
      <Heads at="keys" />
      <KeyList />
    </>
  );
}

function Heads({ at }: { at: string }) {
  return (
    <div class="bar">
      <h1>{at === "keys" ? "Keys" : "Audit log"}</h1>
      <a href={at === "keys" ? "#/keys/audit" : "#/keys"}>{at === "keys" ? "Audit log" : "Keys"}</a>
      {at === "keys" && (
        <button type="button" class="quiet" onClick={askCreate}>
          New key…
        </button>
      )}
    </div>
  );
}

function KeyList() {
  const cursor = here.value.query.get("cursor");
  const read = usePolled(`keys ${cursor ?? ""}`, (signal) => client().keys.list({ signal }).page(cursor), EVERY_MS);
  return (
    <>
      <Loaded from={read}>
        {({ items, nextCursor }) => (
          <>
            <div class="scroll" tabIndex={0} role="group" aria-label="Keys">
              <table class="list">
                <thead>
                  <tr>
                    <th scope="col">State</th>
                    <th scope="col">Name</th>
                    <th scope="col">Begins with</th>
                    <th scope="col">Scopes</th>
                    <th scope="col">Tenant</th>
                    <th scope="col">Expires</th>
                    <th scope="col">Age</th>
                    <th scope="col">
                      <span class="unseen">Acts</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((key) => (
                    <KeyRow key={key.id} stored={key} />
                  ))}
                </tbody>
              </table>
            </div>
            <Pager nextCursor={nextCursor} />
          </>
        )}
      </Loaded>
      <AsCode
        call={{ method: "GET", path: "/v1/keys" }}
        code={"for await (const { id, name, scopes } of client.keys.list()) console.log(id, name, scopes);"}
      />
    </>
  );
}

function KeyRow({ stored }: { stored: KeyResource }) {
  const { id, name, prefix, scopes, tenant, expiresAt, revokedAt, createdAt } = stored;
  const hasExpired = expiresAt !== null && Date.parse(expiresAt) < now.value;
  const state = revokedAt !== null ? "revoked" : hasExpired ? "expired" : "valid";
  return (
    <tr data-key={id}>
      <td data-title="State">
        <Badge state={state === "valid" ? "succeeded" : "cancelled"}>{state}</Badge>
      </td>
      <td data-title="Name">
        <bdi>{name}</bdi> <code class="soft">{id}</code>
      </td>
      <td data-title="Begins with">
        <code>{prefix}</code>
      </td>
      <td data-title="Scopes">{scopes.join(", ")}</td>
      <td data-title="Tenant">{tenant}</td>
      <td data-title="Expires">
        <Age at={expiresAt} />
      </td>
      <td data-title="Age">
        <Age at={createdAt} />
      </td>
      <td class="acts-cell">
        {state === "valid" && (
          <button type="button" class="quiet" onClick={() => askRevoke(stored)}>
            Revoke…<span class="unseen"> {name}</span>
          </button>
        )}
      </td>
    </tr>
  );
}

function askRevoke({ id, name }: KeyResource): void {
  ask({
    title: `Revoke ${name}`,
    verb: "Revoke the key",
    isDanger: true,
    words: <p>For good, with the links and the keys that it has made.</p>,
    call: () => ({ method: "DELETE", path: `/v1/keys/${id}` }),
    code: () => `await client.keys.revoke(${literal(id)});`,
    run: async () => {
      await client().keys.revoke(id);
      return `${name} is revoked`;
    },
  });
}

function askCreate(): void {
  const name = signal("");
  const wanted = SCOPE_NAMES.map((scope) => ({ scope, value: signal(scope === "read") }));
  const chosen = (): Scope[] => wanted.filter(({ value }) => value.value).map(({ scope }) => scope);
  const body = () => ({ name: name.value, scopes: chosen() });
  ask({
    title: "New key",
    verb: "Make it",
    words: <p>It is shown once, and then never again.</p>,
    fields: () => (
      <>
        <TextField label="Name" value={name} />
        <fieldset>
          <legend>Scopes</legend>
          {wanted.map(({ scope, value }) => (
            <CheckField key={scope} label={scope} value={value} />
          ))}
        </fieldset>
      </>
    ),
    call: () =>
      name.value === "" || chosen().length === 0 ? null : { method: "POST", path: "/v1/keys", body: body() },
    code: () => `const { id, key } = await client.keys.create(${literal(body())});`,
    run: async () => {
      const { key } = await client().keys.create(body());
      showSecret("The new key", key);
      return `${name.value} is made`;
    },
  });
}
