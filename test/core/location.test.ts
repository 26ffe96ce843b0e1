import { describe, expect, it } from "vitest";
import { progressObject } from "../../src/engine/events/tell.ts";
import { clockOf } from "../../src/broker/poke.ts";
import { placed } from "../../src/core/location.ts";

describe("where objects are made", () => {
  it("is left to the platform unless the deployment names a location", () => {
    expect(placed({})).toEqual({});
    expect(placed({ LOCATION: "" })).toEqual({});
  });

  it("is the deployment's location for the clock and for progress objects", () => {
    const made: unknown[] = [];
    const getByName = (name: string, options: unknown) => void made.push([name, options]);
    const env = { LOCATION: "weur", CLOCK: { getByName }, PROGRESS: { getByName } } as unknown as Env;
    clockOf(env);
    progressObject(env, "task_1");
    expect(made).toEqual([
      ["clock", { locationHint: "weur" }],
      ["task_1", { locationHint: "weur" }],
    ]);
  });
});
