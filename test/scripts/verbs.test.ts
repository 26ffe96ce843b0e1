/** The verbs of the command that talk to a service, called in this process. `package.test.ts` runs the command as it is packed. */
import { runCommand } from "citty";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { explain, keys, submit } from "../../command/service/verbs.ts";
import { tail, top } from "../../command/service/watch-verbs.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";

let server: SharedServer;

beforeAll(async () => {
  server = await shareServer();
});
afterAll(async () => server?.stop());
afterEach(() => {
  vi.restoreAllMocks();
});

/** What the verb prints on a terminal. Rejects with what it would be refused with. */
async function prints(verb: typeof submit, ...rawArgs: string[]): Promise<string> {
  const lines: string[] = [];
  for (const stream of ["log", "error"] as const) {
    vi.spyOn(console, stream).mockImplementation((line: string) => void lines.push(`${line}\n`));
  }
  await runCommand(verb, { rawArgs });
  return lines.join("");
}

const called = (verb: typeof submit, ...args: string[]) =>
  prints(verb, ...args, "--url", server.url, "--key", server.root.key);

it("submit, explain, follow and count", async () => {
  const input = '{"name":"tea","steps":1,"pause":0}';
  expect(JSON.parse(await called(submit, "process_item", input, "--wait"))).toEqual({ result: "Processed item tea" });
  const id = /task_\w+/.exec(await called(submit, "process_item", input, "--delay", "1h"))![0];
  expect(await called(explain, id)).toMatch(/^scheduled .*\n {2}scheduled {2}\{"runAt"/);
  expect(await called(tail, "--once")).toMatch(new RegExp(`scheduled +process_item {2}${id}`));
  expect(await called(top, "--once")).toMatch(/lane +queued +running[^]*process_item/);
});

it("make, list and revoke keys", async () => {
  const made = await called(keys, "create", "--name", "checkout", "--scopes", "submit,read");
  expect(made).toMatch(/^lovage_\w+\n/);
  const id = /key_\w+/.exec(made)![0];
  expect(await called(keys)).toMatch(new RegExp(`${id} +checkout .*submit,read`));
  expect(await called(keys, "revoke", id)).toBe(`Revoked ${id}\n`);
  expect(await called(keys)).toMatch(new RegExp(`${id} .*revoked`));
});

it("say in a sentence what is wrong", async () => {
  await expect(called(submit, "process_itme", "{}")).rejects.toThrow(/did you mean process_item\?/);
  await expect(called(submit, "process_item", "{}")).rejects.toThrow("/input/name");
  await expect(called(submit, "process_item", "{")).rejects.toThrow("the input is not valid JSON");
  await expect(called(top, "--onec")).rejects.toThrow("has no option --onec; did you mean --once?");
  await expect(called(top, "-x")).rejects.toThrow("has no option -x; it has --every, --once");
  await expect(called(explain, "task_0")).rejects.toThrow(/^http.*refuses \(40\d/);
  await expect(called(keys, "rewoke")).rejects.toThrow('lovage keys has no "rewoke": list, create or revoke');
  await expect(prints(top, "--url", "https://tasks.example.com")).rejects.toThrow(
    "there is no key for https://tasks.example.com",
  );
});
