import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  describeError,
  NonRetryableError,
  RetryAfterError,
  SignalTimeoutError,
  type TaskError,
} from "../../src/core/errors.ts";

/** As JSON in the row, where D1 takes 2 MB in all. */
const MAX_JSON_BYTES = 130_000;

function bytesOf(error: TaskError): number {
  return new TextEncoder().encode(JSON.stringify(error)).length;
}

class PaymentError extends Error {
  override readonly name = "PaymentError";
  constructor(
    message: string,
    readonly data?: unknown,
  ) {
    super(message);
  }
}

describe("a thrown thing, described", () => {
  it("keeps its class name, message and data", () => {
    const error = describeError(new PaymentError("declined", { code: 51 }));
    expect(error).toMatchObject({ type: "PaymentError", message: "declined", data: { code: 51 } });
    expect(error.stack).toContain("PaymentError: declined");
  });

  it("keeps the data of the two errors that steer", () => {
    expect(describeError(new NonRetryableError("no", [1]))).toMatchObject({ type: "NonRetryableError", data: [1] });
    expect(describeError(new RetryAfterError("later", "1m", "x"))).toMatchObject({
      type: "RetryAfterError",
      data: "x",
    });
    expect(describeError(new SignalTimeoutError("nobody came")).type).toBe("SignalTimeoutError");
  });

  it.each([
    ["a text", "a text"],
    [{ code: 1 }, '{"code":1}'],
    [undefined, "the handler threw undefined; throw an Error that says what went wrong"],
    [null, "the handler threw null; throw an Error that says what went wrong"],
    ["", "the handler threw an empty text; throw an Error that says what went wrong"],
    [42, "42"],
    [1n, '"[not JSON]"'],
  ])("may be no error at all: %o", (thrown, message) => {
    expect(describeError(thrown)).toEqual({ type: "Error", message });
  });

  it("survives data that is not JSON", () => {
    const ring: Record<string, unknown> = {};
    ring["self"] = ring;
    expect(describeError(new PaymentError("x", ring)).data).toBe("[not JSON]");
    expect(describeError(new PaymentError("x", () => 1)).data).toBe(null);
  });

  it("never throws and is always JSON of a bounded size, whatever is thrown", () => {
    const long = fc
      .tuple(fc.constantFrom("x", '"', "\u0001", "€", "\n"), fc.nat({ max: 50_000 }))
      .map(([unit, count]) => unit.repeat(count));
    const part = fc.oneof(long, fc.anything({ maxDepth: 1 }));
    const parts = fc.record({ name: part, message: part, stack: part, data: part }, { requiredKeys: [] });
    fc.assert(
      fc.property(fc.boolean(), parts, fc.anything(), (isError, members, anything) => {
        const error = describeError(isError ? Object.assign(new Error("x"), members) : anything);
        expect(typeof error.type).toBe("string");
        expect(typeof error.message).toBe("string");
        expect(bytesOf(error)).toBeLessThan(MAX_JSON_BYTES);
      }),
      { numRuns: 500 },
    );
  });

  it("is cut in every part that can be long", () => {
    const huge = "€".repeat(1_000_000);
    const thrown = Object.assign(new PaymentError(huge, huge), { name: huge, stack: huge });
    expect(bytesOf(describeError(thrown))).toBeLessThan(MAX_JSON_BYTES);
  });
});
