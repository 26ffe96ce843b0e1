/** The network of an address: the addresses that one household or server has. A limit per caller counts them as one. Pure. */

/**
 * An IPv4 address is one caller. An IPv6 caller has at least a /64, and could call from another address of it each time.
 * An IPv4 address inside of an IPv6 one (`::ffff:192.0.2.1`) is that IPv4 address.
 */
export function networkOf(address: string): string {
  // URL parsing knows every spelling of an IPv6 address, and gives back one.
  const url = URL.parse(`http://[${address}]/`);
  if (url === null) return address;
  const [head = "", tail] = url.hostname.slice(1, -1).split("::");
  const [before, after] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":"))) as [
    string[],
    string[],
  ];
  const groups =
    tail === undefined ? before : [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after];
  if (groups.slice(0, 6).join(":") === "0:0:0:0:0:ffff") {
    const bytes = groups
      .slice(6)
      .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
    return bytes.join(".");
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}
