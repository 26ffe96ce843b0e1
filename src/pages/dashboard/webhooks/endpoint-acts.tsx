/** What can be done with endpoints. */

import { signal } from "@preact/signals";
import { WEBHOOK_EVENT_NAMES } from "./event-names.ts";
import type { WebhookResource } from "../../../contract/webhook.ts";
import { ask, type Act } from "../acts.ts";
import { go, hrefTo } from "../address.ts";
import { literal } from "../call.ts";
import { TextField } from "../parts/fields.tsx";
import { client } from "../session.ts";
import { many } from "../words.ts";
import { showSecret } from "../keys/secret.tsx";

export function EndpointActs({ webhook }: { webhook: WebhookResource }) {
  const { id, url, paused } = webhook;
  const path = `/v1/webhooks/${id}`;
  const patch = { paused: !paused };
  const acts: (Act & { name: string })[] = [
    {
      name: "Send a test event…",
      title: "Send a test event",
      verb: "Send",
      call: () => ({ method: "POST", path: `${path}/test` }),
      code: () => `await client.webhooks.test(${literal(id)});`,
      run: async () => {
        await client().webhooks.test(id);
        return "A test event is on its way";
      },
    },
    replayAll(id, path),
    {
      name: paused ? "Resume…" : "Pause…",
      title: paused ? `Resume ${url}` : `Pause ${url}`,
      verb: paused ? "Resume" : "Pause",
      words: paused ? undefined : <p>It is told of nothing that ends meanwhile.</p>,
      call: () => ({ method: "PATCH", path, body: patch }),
      code: () => `await client.webhooks.update(${literal(id)}, ${literal(patch)});`,
      run: async () => {
        await client().webhooks.update(id, patch);
        return paused ? "It is told again" : "It is paused";
      },
    },
    {
      name: "New secret…",
      title: "Make a new secret",
      verb: "Make it",
      words: <p>The old one stays valid for 24 hours.</p>,
      call: () => ({ method: "POST", path: `${path}/rotate` }),
      code: () => `const { secret } = await client.webhooks.rotate(${literal(id)});`,
      run: async () => {
        const { secret } = await client().webhooks.rotate(id);
        showSecret("The new secret", secret);
        return "There is a new secret";
      },
    },
    {
      name: "Delete…",
      title: `Delete ${url}`,
      verb: "Delete the endpoint",
      isDanger: true,
      call: () => ({ method: "DELETE", path }),
      code: () => `await client.webhooks.delete(${literal(id)});`,
      run: async () => {
        await client().webhooks.delete(id);
        go("#/webhooks");
        return "The endpoint is deleted";
      },
    },
  ];
  return (
    <div class="acts">
      {acts.map((act) => (
        <button key={act.name} type="button" class="quiet" onClick={() => ask(act)}>
          {act.name}
        </button>
      ))}
    </div>
  );
}

/** Replays every delivery since a time. */
function replayAll(id: string, path: string): Act & { name: string } {
  const since = signal(new Date(Date.now() - 3_600_000).toISOString());
  const isTime = () => !Number.isNaN(Date.parse(since.value));
  return {
    name: "Replay since…",
    title: "Replay all since a time",
    verb: "Replay",
    fields: () => <TextField label="Since (UTC)" value={since} />,
    call: () => (isTime() ? { method: "POST", path: `${path}/replay`, body: { since: since.value } } : null),
    code: () => `await client.webhooks.replay(${literal(id)}, ${literal({ since: since.value })});`,
    run: async () => {
      const { changed } = await client().webhooks.replay(id, { since: since.value });
      return `${many(changed, "delivery", "deliveries")} made again`;
    },
  };
}

/** Asks for a new endpoint. */
export function askCreate(): void {
  const url = signal("https://");
  const description = signal("");
  const body = () => ({
    url: url.value,
    events: [...WEBHOOK_EVENT_NAMES],
    ...(description.value === "" ? {} : { description: description.value }),
  });
  ask({
    title: "New endpoint",
    verb: "Make it",
    words: <p>Its secret is shown once, and then never again.</p>,
    fields: () => (
      <>
        <TextField label="Address" value={url} />
        <TextField label="Description" value={description} />
      </>
    ),
    call: () => (URL.canParse(url.value) ? { method: "POST", path: "/v1/webhooks", body: body() } : null),
    code: () => `const { id, secret } = await client.webhooks.create(${literal(body())});`,
    run: async () => {
      const { id, secret } = await client().webhooks.create(body());
      go(hrefTo("webhooks", id));
      showSecret("The endpoint's secret", secret);
      return "The endpoint is made";
    },
  });
}
