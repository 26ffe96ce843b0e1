import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { log } from "../../src/core/log.ts";
import { LOG_EVENTS } from "../../src/core/log-events.ts";

const sources = globSync("src/**/*.ts").map((path) => ({
  path: path.replaceAll("\\", "/"),
  text: readFileSync(path, "utf8"),
}));

afterEach(() => {
  vi.restoreAllMocks();
});

describe("the catalogue of log events", () => {
  it("is what docs/events.md says", () => {
    const { status, stderr } = spawnSync(process.execPath, ["scripts/log-events.ts", "--check"], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("has each event that is logged, and no other", () => {
    const logged = sources.flatMap(({ path, text }) =>
      path === "src/core/log-events.ts" ? [] : Object.keys(LOG_EVENTS).filter((name) => text.includes(`"${name}"`)),
    );
    expect(Object.keys(LOG_EVENTS).filter((name) => !logged.includes(name))).toEqual([]);
  });

  it("is the only way to the log", () => {
    // Pages run in a browser; the client's examples print; `npm start` reads what its Worker narrates.
    const others = sources.filter(
      ({ path, text }) =>
        /console[.[]/.test(text) && !/^src\/(pages|client|core\/log\.ts|worker\/narrate\.ts)/.test(path),
    );
    expect(others.map(({ path }) => path)).toEqual([]);
  });

  it("logs one line of JSON at the event's level, and the text of an error", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    log("stream_failed", { id: "task_1", error: new TypeError("no") });
    expect(warn.mock.calls).toEqual([['{"event":"stream_failed","id":"task_1","error":"TypeError: no"}']]);
  });
});
