/** What a limit per caller counts. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { networkOf } from "../../src/core/network.ts";

it.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:c000:201", "192.0.2.1"],
  ["0:0:0:0:0:ffff:c000:0201", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002::", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["unknown", "unknown"],
  ["", ""],
])("counts %s as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

it("counts all addresses of a /64 as one, and those of another as another", () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  const four = fc.array(group, { minLength: 4, maxLength: 4 });
  const text = (groups: number[]) => groups.map((each) => each.toString(16)).join(":");
  fc.assert(
    fc.property(four, four, four, four, (network, other, a, b) => {
      fc.pre(text(network) !== "0:0:0:0" && text(other) !== "0:0:0:0");
      expect(networkOf(text([...network, ...a]))).toBe(networkOf(text([...network, ...b])));
      const isOther = networkOf(text([...network, ...a])) !== networkOf(text([...other, ...a]));
      expect(isOther).toBe(text(network) !== text(other));
    }),
  );
});
