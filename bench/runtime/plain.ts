/** The contract of `subjects/neutral.ts` with the minimum for an asynchronous task on this platform: one INSERT, send, claim and commit. */

interface Bindings {
  DB: D1Database;
  BELLS: Queue<string>;
}

type Row = { id: string; state: string; result: string | null };
type Submission = { name: string; input?: { ms?: number } };

const TABLE = `CREATE TABLE IF NOT EXISTS tasks (id TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, input TEXT, result TEXT) WITHOUT ROWID, STRICT`;
const INSERT = "INSERT INTO tasks (id, name, state, input) SELECT value, ?2, 'PENDING', ?3 FROM json_each(?1)";
const CLAIM =
  "UPDATE tasks SET state = 'STARTED' WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'PENDING' RETURNING id";
const COMMIT =
  "UPDATE tasks SET state = 'SUCCESS', result = ?2 WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'STARTED'";
const READ = "SELECT id, state, result FROM tasks WHERE id = ?1";
const OPEN = "SELECT COUNT(*) AS open FROM tasks WHERE state <> 'SUCCESS'";

/** The most messages that a queue takes in one call. */
const SEND = 100;

async function insert({ DB }: Bindings, count: number, { name, input = {} }: Submission): Promise<string[]> {
  const ids = Array.from({ length: count }, () => crypto.randomUUID());
  await DB.prepare(INSERT).bind(JSON.stringify(ids), name, JSON.stringify(input)).run();
  return ids;
}

async function ring({ BELLS }: Bindings, ids: string[]): Promise<void> {
  for (let from = 0; from < ids.length; from += SEND) {
    await BELLS.sendBatch(ids.slice(from, from + SEND).map((body) => ({ body })));
  }
}

export default {
  async fetch(request, env, ctx): Promise<Response> {
    const { pathname } = new URL(request.url);
    switch (`${request.method} ${pathname}`) {
      case "POST /setup":
        await env.DB.exec(TABLE);
        return new Response("ok");
      case "POST /tasks": {
        const [id] = await insert(env, 1, await request.json<Submission>());
        ctx.waitUntil(env.BELLS.send(id!));
        return Response.json({ id }, { status: 202 });
      }
      case "POST /bulk": {
        const { n } = await request.json<{ n: number }>();
        const ids = await insert(env, n, { name: "noop" });
        ctx.waitUntil(ring(env, ids));
        return Response.json({ n: ids.length }, { status: 202 });
      }
      case "POST /forget":
        return Response.json({});
      case "GET /open":
        return Response.json(await env.DB.prepare(OPEN).first());
      default: {
        const row = await env.DB.prepare(READ).bind(pathname.slice("/tasks/".length)).first<Row>();
        return row === null ? new Response(null, { status: 404 }) : Response.json(row);
      }
    }
  },

  async queue(batch, env): Promise<void> {
    const ids = JSON.stringify(batch.messages.map(({ body }) => body));
    const { results } = await env.DB.prepare(CLAIM).bind(ids).all<{ id: string }>();
    if (results.length === 0) return;
    const claimed = JSON.stringify(results.map(({ id }) => id));
    await env.DB.prepare(COMMIT).bind(claimed, "null").run();
  },
} satisfies ExportedHandler<Bindings, string>;
