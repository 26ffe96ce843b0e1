/** Bodies of up to 1 MiB that are made to cost more than they look like: deep, wide, repetitive, reversed, referencing, unreadable. */

export interface Heavy {
  name: string;
  method: "POST" | "PUT" | "PATCH";
  path: string;
  /** Made when it is sent: all of them together would fill the machine. */
  body: () => string;
  headers?: Record<string, string>;
}

/** Things of the tenant that the paths name. */
export interface Ground {
  task: string;
  ended: string;
  flow: string;
  webhook: string;
}

const MIB = 1_048_576;

/** As much of `part`, with commas between, as fits into a body of 1 MiB beside `around`. */
function fill(part: (i: number) => string, [before, after]: [string, string], most = Number.POSITIVE_INFINITY): string {
  const parts: string[] = [];
  let left = MIB - before.length - after.length;
  for (let i = 0; i < most; i++) {
    const next = part(i);
    left -= new TextEncoder().encode(next).length + 1;
    if (left < 0) break;
    parts.push(next);
  }
  return before + parts.join(",") + after;
}

const deep = (levels: number, open: string, close: string, inner = "0") =>
  open.repeat(levels) + inner + close.repeat(levels);

/** Values of any operation's body, and of any input. */
const VALUES: Record<string, (around: [string, string]) => string> = {
  "a long text": ([before, after]) => `${before}"${"x".repeat(MIB - before.length - after.length - 2)}"${after}`,
  "a text of escapes": ([before, after]) =>
    `${before}"${"\\u0000".repeat((MIB - before.length - after.length - 2) / 6)}"${after}`,
  "a text of lone surrogates": ([before, after]) =>
    `${before}"${"\\ud800".repeat((MIB - before.length - after.length - 2) / 6)}"${after}`,
  "a list of numbers": ([before, after]) => fill(() => "1", [`${before}[`, `]${after}`]),
  "a list of empty lists": ([before, after]) => fill(() => "[]", [`${before}[`, `]${after}`]),
  "a list of empty objects": ([before, after]) => fill(() => "{}", [`${before}[`, `]${after}`]),
  "a list of nulls": ([before, after]) => fill(() => "null", [`${before}[`, `]${after}`]),
  "many members": ([before, after]) => fill((i) => `"${i.toString(36)}":0`, [`${before}{`, `}${after}`]),
  "one member, again and again": ([before, after]) => fill(() => '"a":0', [`${before}{`, `}${after}`]),
  "members called __proto__": ([before, after]) => fill(() => '"__proto__":{}', [`${before}{`, `}${after}`]),
  "a number of many digits": ([before, after]) =>
    `${before}1${"0".repeat(MIB - before.length - after.length - 2)}1${after}`,
  "many numbers that are changed": ([before, after]) => fill(() => "9007199254740993", [`${before}[`, `]${after}`]),
  "many numbers with exponents": ([before, after]) => fill(() => "1e5", [`${before}[`, `]${after}`]),
  "500 levels of lists, many times": ([before, after]) => fill(() => deep(480, "[", "]"), [`${before}[`, `]${after}`]),
  "500 levels of objects, many times": ([before, after]) =>
    fill(() => deep(480, '{"a":', "}"), [`${before}[`, `]${after}`]),
  "a list at the end of 480 levels": ([before, after]) =>
    fill(() => "1", [before + "[".repeat(480), "]".repeat(480) + after]),
  "too many levels": () => deep(MIB / 2, "[", "]", ""),
  "brackets that stay open": () => "[{".repeat(MIB / 4),
  "long names": ([before, after]) => fill((i) => `"${"~/".repeat(5_000)}${i}":0`, [`${before}{`, `}${after}`]),
};

const around = (value: (around: [string, string]) => string, before = "", after = "") => value([before, after]);

/** Where in an operation's body a value may stand. */
function places(ground: Ground): Pick<Heavy, "name" | "method" | "path">[] {
  const { task, ended, flow, webhook } = ground;
  const post = (path: string) => ({ name: path, method: "POST" as const, path });
  return [
    post("/v1/tasks"),
    post("/v1/tasks/batch"),
    post("/v1/tasks/cancel"),
    post("/v1/tasks/retry"),
    post("/v1/tasks/delete"),
    post(`/v1/tasks/${task}/cancel`),
    post(`/v1/tasks/${ended}/retry`),
    post(`/v1/tasks/${task}/signals/go`),
    post("/v1/flows"),
    post(`/v1/flows/${flow}/cancel`),
    post(`/v1/flows/${flow}/retry`),
    { name: "/v1/schedules/{id}", method: "PUT", path: "/v1/schedules/heavy" },
    { name: "/v1/limits/{id}", method: "PUT", path: "/v1/limits/concurrency::heavy" },
    post("/v1/lanes/bulk/pause"),
    post("/v1/keys"),
    post("/v1/webhooks"),
    { name: "/v1/webhooks/{id}", method: "PATCH", path: `/v1/webhooks/${webhook}` },
    post(`/v1/webhooks/${webhook}/replay`),
    post(`/v1/webhooks/${webhook}/test`),
    post("/item"),
  ];
}

/** Each value as the body of each operation. */
export function plainBodies(ground: Ground): Heavy[] {
  return places(ground).flatMap((place) =>
    Object.entries(VALUES).map(([name, value]) => ({
      ...place,
      name: `${place.method} ${place.name.replaceAll(/(task|flow|whk)_\w+/g, "{id}")}: ${name}`,
      body: () => around(value),
    })),
  );
}

const A = '{"task":"test.noop","options":{"delay":"1h"}}';
const X = '{"task":"a"}';

const flow = (name: string, body: () => string): Heavy => ({
  name: `a flow: ${name}`,
  method: "POST",
  path: "/v1/flows",
  body,
});

const list = (part: (i: number) => string, before: string, after: string, most?: number) =>
  fill(part, [before, after], most);

function flows(): Heavy[] {
  const group = (count: number, node = X) => `{"group":[${Array.from({ length: count }, () => node).join(",")}]}`;
  const map = (count: number) =>
    `{"map":{"task":"test.noop","options":{"delay":"1h"},"inputs":[${"0,".repeat(count - 1)}0]}}`;
  const dag = (entries: string[]) => `{"dag":{${entries.join(",")}}}`;
  const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);
  const nested = (levels: number, before: string, inner: string, after: string) =>
    before.repeat(levels) + inner + after.repeat(levels);
  const tags = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`t${i}`, "x".repeat(200)]));
  const wide = { delay: "1h", tags, webhook: { url: `https://example.com/${"x".repeat(2_000)}` } };
  return [
    flow("two groups of 7,000", () => `{"chain":[${group(7_000)},${group(7_000)}]}`),
    flow("two groups of 14,000", () => `{"chain":[${group(14_000)},${group(14_000)}]}`),
    flow("two groups of 300 that are right", () => `{"chain":[${group(300, A)},${group(300, A)}]}`),
    flow("10,000 tasks", () => map(10_000)),
    flow(
      "10,000 tasks that each say when they start",
      () => `{"group":[${Array.from({ length: 10_000 }, () => A).join(",")}]}`,
    ),
    flow("a chain of 10,000", () => `{"chain":[${Array.from({ length: 10_000 }, () => A).join(",")}]}`),
    flow("80,000 unknown tasks", () => list(() => X, '{"group":[', "]}")),
    flow("empty groups", () => list(() => '{"group":[]}', '{"group":[', "]}")),
    flow("empty groups before 7,000 tasks", () => `{"chain":[${group(55_000, '{"group":[]}')},${map(7_000)}]}`),
    flow("nodes of no kind", () => list(() => "{}", '{"group":[', "]}")),
    flow("nodes of every kind", () => list(() => '{"task":0,"chain":0,"group":0,"dag":0}', '{"group":[', "]}")),
    flow("tasks that are numbers", () => list(() => '{"task":0}', '{"group":[', "]}")),
    flow("unknown members", () => list((i) => `"${i.toString(36)}":0`, '{"task":"test.noop",', "}")),
    flow("a dag in reverse order", () =>
      dag(names(10_000).map((name, i) => `"${name}":{"node":${X}${i < 9_999 ? `,"needs":["n${i + 1}"]` : ""}}`)),
    ),
    flow("a dag that is one circle", () =>
      dag(names(20_000).map((name, i) => `"${name}":{"node":${X},"needs":["n${(i + 1) % 20_000}"]}`)),
    ),
    flow("a dag in which each needs all before it", () =>
      dag(names(500).map((name, i) => `"${name}":{"node":${X},"needs":${JSON.stringify(names(i))}}`)),
    ),
    flow(
      "one need again and again",
      () => `{"dag":{"a":{"node":${X}},"b":{"node":${X},"needs":[${'"a",'.repeat(200_000)}"a"]}}}`,
    ),
    flow("needs that nobody has", () => `{"dag":{"a":{"node":${X},"needs":[${'"b",'.repeat(200_000)}"b"]}}}`),
    flow("a map that each of a chain takes", () =>
      dag([
        `"a":{"node":${map(1_500)}}`,
        `"b":{"needs":["a"],"node":{"chain":[${Array.from({ length: 1_500 }, () => '{"task":"test.noop","input":{"$from":"a"}}').join(",")}]}}`,
      ]),
    ),
    flow("empty groups that each wait for a group", () =>
      dag([
        `"a":{"node":${group(9_000)}}`,
        ...names(20_000).map((name) => `"${name}":{"needs":["a"],"node":{"group":[]}}`),
      ]),
    ),
    flow("a group in 160 dags that ignore", () =>
      nested(160, '{"dag":{"x":{"onFailure":"ignore","node":', group(10_000), "}}}"),
    ),
    flow("a group in 240 groups", () => nested(240, '{"group":[', map(10_000), "]}")),
    flow("dags with long names", () => nested(150, `{"dag":{"${"x".repeat(64)}":{"node":`, map(9_000), "}}}")),
    flow(
      "options that each of a map gets",
      () => `{"map":{"task":"test.noop","options":${JSON.stringify(wide)},"inputs":[${"0,".repeat(9_999)}0]}}`,
    ),
    flow(
      "bad options that each of a map gets",
      () => `{"map":{"task":"test.noop","options":{"x":1},"inputs":[${"0,".repeat(9_999)}0]}}`,
    ),
    flow(
      "a large onError",
      () =>
        `{"task":"test.fail","input":{"message":"x"},"onError":{"group":[${Array.from({ length: 9_000 }, () => A).join(",")}]}}`,
    ),
    flow("references far inside", () =>
      list(
        () => '{"$from":"previous"}',
        `{"chain":[${A},{"task":"test.noop","options":{"delay":"1h"},"input":${"[".repeat(480)}`,
        `${"]".repeat(480)}}]}`,
      ),
    ),
    flow("references far inside of an input with a schema", () =>
      list(() => '{"$from":"previous"}', `{"chain":[${A},{"task":"test.sum","input":{"values":[`, "]}}]}"),
    ),
    flow("an input of a thousand levels beside a reference", () =>
      list(
        () => deep(450, "[", "]", "0"),
        `{"chain":[${A},{"task":"http.request","input":{"url":{"$from":"previous"},"body":[`,
        "]}}]}",
      ),
    ),
    flow(
      "a path that is long",
      () => `{"chain":[${A},{"task":"test.noop","input":{"$from":"previous","path":"${"/~1".repeat(340_000)}"}}]}`,
    ),
    flow(
      "a path that is nearly one",
      () => `{"chain":[${A},{"task":"test.noop","input":{"$from":"previous","path":"${"/a".repeat(500_000)}~"}}]}`,
    ),
    flow("a deadline that is long", () => `{"task":"test.noop","deadline":"${"1".repeat(1_000_000)}s"}`),
  ];
}

/** Bodies that are made for one operation. */
export function madeBodies(ground: Ground): Heavy[] {
  const post = (name: string, path: string, body: () => string, headers?: Record<string, string>): Heavy => ({
    name,
    method: "POST",
    path,
    body,
    ...(headers ? { headers } : {}),
  });
  const submit = (name: string, body: () => string) => post(`a submission: ${name}`, "/v1/tasks", body);
  const input = (task: string, name: string) =>
    submit(`${task}, ${name}`, () => around(VALUES[name], `{"task":"${task}","options":{"delay":"1h"},"input":`, "}"));
  const options = (name: string, before: string, part: (i: number) => string, after: string) =>
    submit(name, () => fill(part, [`{"task":"test.noop","options":{${before}`, `${after}}}`]));
  const schedule = (name: string, member: string): Heavy => ({
    name: `a schedule: ${name}`,
    method: "PUT",
    path: "/v1/schedules/heavy",
    body: () => `{"task":"test.noop",${member}}`,
  });
  const batch = (name: string, body: () => string) => post(`a batch: ${name}`, "/v1/tasks/batch", body);
  const bulk = (name: string, body: () => string) => post(`a bulk verb: ${name}`, "/v1/tasks/cancel", body);
  const signal = (name: string) =>
    post(`a signal: ${name}`, `/v1/tasks/${ground.task}/signals/go`, () => around(VALUES[name]));
  const long = (unit: string, count = 1_000_000) => unit.repeat(Math.floor(count / unit.length));
  const id = "task_01jzzzzzzzzzzzzzzzzzzzzzzz";
  return [
    ...flows(),
    ...Object.keys(VALUES)
      .filter((name) => !/levels$|open$/.test(name))
      .flatMap((name) => [
        input("test.noop", name),
        input("test.sum", name),
        input("http.request", name),
        signal(name),
      ]),
    submit("http.request, many headers", () =>
      fill((i) => `"h${i}":"x"`, ['{"task":"http.request","input":{"url":"https://example.com","headers":{', "}}}"]),
    ),
    submit("http.request, many statuses", () =>
      fill(() => "0", ['{"task":"http.request","input":{"url":"https://example.com","expect":[', "]}}"]),
    ),
    submit("http.request, a long address", () => `{"task":"http.request","input":{"url":"https://${long("a.")}"}}`),
    submit("process_item, a long name", () => `{"task":"process_item","input":{"name":"${long("x")}"}}`),
    submit(
      "csv.summarize, quotes",
      () => `{"task":"csv.summarize","options":{"delay":"1h"},"input":{"csv":"${long('\\"')}"}}`,
    ),
    submit("test.sum, numbers that are none", () =>
      fill(() => '""', ['{"task":"test.sum","input":{"values":[', "]}}"]),
    ),
    submit("a long task name", () => `{"task":"${long("x")}"}`),
    options("many tags", '"tags":{', (i) => `"t${i}":""`, "}"),
    options("many bad tags", '"tags":{', (i) => `"T${i}":0`, "}"),
    submit("a long tag name", () => `{"task":"test.noop","options":{"tags":{"${long("a")}":"x"}}}`),
    submit("a long duration", () => `{"task":"test.noop","options":{"delay":"${long("1")}s"}}`),
    submit("a long instant", () => `{"task":"test.noop","options":{"runAt":"${long("2026-01-01T00:00:00.0")}Z"}}`),
    submit(
      "an instant with a long fraction",
      () => `{"task":"test.noop","options":{"runAt":"2026-01-01T00:00:00.${long("1")}"}}`,
    ),
    submit(
      "a long webhook",
      () => `{"task":"test.noop","options":{"webhook":{"url":"https://example.com/${long("%")}"}}}`,
    ),
    submit(
      "a webhook of many hosts",
      () => `{"task":"test.noop","options":{"webhook":{"url":"https://${long("a.")}"}}}`,
    ),
    submit(
      "a webhook at a long number",
      () => `{"task":"test.noop","options":{"webhook":{"url":"http://${long("1")}"}}}`,
    ),
    submit(
      "a long secret",
      () => `{"task":"test.noop","options":{"webhook":{"url":"https://example.com","secret":"whsec_${long("A")}="}}}`,
    ),
    options("many webhook events", '"webhook":{"url":"https://example.com","events":[', () => '"x"', "]}"),
    submit("a long key", () => `{"task":"test.noop","options":{"concurrency":{"key":"${long("\\ud800")}","limit":1}}}`),
    batch("nothing in each", () => `{"tasks":[${"0,".repeat(999)}0]}`),
    batch(
      "a thousand faults in each",
      () =>
        `{"tasks":[${Array.from({ length: 1_000 }, () => `{${Array.from({ length: 140 }, (_, i) => `"${i}":0`).join(",")}}`).join(",")}]}`,
    ),
    batch("too many", () => fill(() => "0", ['{"tasks":[', "]}"])),
    batch(
      "1,000 that are right",
      () =>
        `{"tasks":[${Array.from({ length: 1_000 }, () => `{"task":"test.noop","input":"${"x".repeat(900)}","options":{"delay":"1h"}}`).join(",")}]}`,
    ),
    batch(
      "1,000 with changed numbers",
      () =>
        `{"tasks":[${Array.from({ length: 1_000 }, () => `{"task":"test.noop","input":[${"9007199254740993,".repeat(50)}1]}`).join(",")}]}`,
    ),
    batch(
      "1,000 with tags",
      () =>
        `{"tasks":[${Array.from({ length: 1_000 }, () => `{"task":"test.noop","options":{"delay":"1h","tags":{${Array.from({ length: 16 }, (_, i) => `"t${i}":"${"x".repeat(40)}"`).join(",")}}}}`).join(",")}]}`,
    ),
    post(
      "a submission with an idempotency key",
      "/v1/tasks",
      () => around(VALUES["many members"], '{"task":"test.noop","options":{"delay":"1h"},"input":', "}"),
      { "idempotency-key": "heavy" },
    ),
    post(
      "a flow with an idempotency key",
      "/v1/flows",
      () =>
        around(
          VALUES["500 levels of objects, many times"],
          '{"task":"test.noop","options":{"delay":"1h"},"input":',
          "}",
        ),
      { "idempotency-key": "heavy-2" },
    ),
    bulk("35,000 ids", () => fill(() => `"${id}"`, ['{"filter":{"ids":[', "]}}"])),
    bulk("10,000 ids", () =>
      fill((i) => `"${id.slice(0, -5)}${String(i).padStart(5, "0")}"`, ['{"filter":{"ids":[', "]}}"], 10_000),
    ),
    bulk("ids that are numbers", () => fill(() => "0", ['{"filter":{"ids":[', "]}}"])),
    bulk("many states", () => fill(() => '"failed"', ['{"filter":{"state":[', "]}}"])),
    bulk("many bad states", () => fill(() => "0", ['{"filter":{"state":[', "]}}"])),
    bulk("many tags", () => fill((i) => `"t${i}":"x"`, ['{"filter":{"tags":{', "}}}"])),
    bulk("a long lane", () => `{"filter":{"lane":"${long("\\u0001")}"}}`),
    bulk("a long flow", () => `{"filter":{"flowId":"${long("x")}"}}`),
    bulk("a long cursor", () => `{"filter":{"task":"x"},"cursor":"${long("A")}"}`),
    schedule("a long cron", `"cron":"${long("1,")}"`),
    schedule("a cron of many steps", `"cron":"${"1,".repeat(90)}1 * * * *"`),
    schedule("a cron that never comes", '"cron":"0 0 30 2 *"'),
    schedule("a cron that comes in leap years on a Monday", '"cron":"59 59 23 29 2 MON","timezone":"Europe/Berlin"'),
    schedule("a cron every second of one day", '"cron":"* * * 29 2 *","timezone":"America/St_Johns"'),
    schedule("a cron of a wide range", '"cron":"0-59/1 0-59/1 0-23/1 1-31/1 1-12/1 0-6/1","timezone":"Europe/Berlin"'),
    schedule("a long time zone", `"cron":"* * * * *","timezone":"${long("A/")}"`),
    schedule("a large input", `"every":"1h","input":"${long("x", 1_040_000)}"`),
    {
      name: "a key: many scopes",
      method: "POST",
      path: "/v1/keys",
      body: () => fill(() => '"read"', ['{"name":"x","scopes":[', "]}"]),
    },
    {
      name: "a key: many bad scopes",
      method: "POST",
      path: "/v1/keys",
      body: () => fill(() => "0", ['{"name":"x","scopes":[', "]}"]),
    },
    {
      name: "a webhook: many events",
      method: "POST",
      path: "/v1/webhooks",
      body: () => fill(() => '"task.failed"', ['{"url":"https://example.com","events":[', "]}"]),
    },
    {
      name: "a webhook: a long address",
      method: "POST",
      path: "/v1/webhooks",
      body: () => `{"url":"https://example.com/${long("a/../")}"}`,
    },
    {
      name: "a flow's retry: a long place",
      method: "POST",
      path: `/v1/flows/${ground.flow}/retry`,
      body: () => `{"from":"${long("0.")}"}`,
    },
  ];
}

/** What every body is measured against: valid, of the same length, and with nothing in it. */
export const SIMPLE: Heavy = {
  name: "a long text",
  method: "POST",
  path: "/v1/tasks",
  body: () => around(VALUES["a long text"], '{"task":"test.noop","options":{"delay":"1h"},"input":', "}"),
};
