/**
 * Which addresses a task or a webhook may call: the public internet, and nothing that only this
 * network can reach. It checks an address before anything is sent to it.
 *
 * It sees names, not what they resolve to, as a Worker cannot resolve them the way `fetch` will. A
 * public name that points to a private address (on purpose, or after the check: DNS rebinding) passes.
 * On Cloudflare such a request leaves from Cloudflare's network, where your private addresses mean
 * nothing; under Miniflare it leaves from this machine. Do not serve untrusted callers from there.
 */

import { NonRetryableError } from "../core/errors.ts";

/** What the guard lets through beside public addresses. */
export interface OutboundPolicy {
  /** `localhost`, `*.localhost`, 127.0.0.0/8 and ::1: for tests and local development. */
  allowLoopback: boolean;
}

/** For webhooks and the files that tasks read: loopback targets where the fixture tasks exist, or where it is allowed. */
export function outboundPolicy(env: Pick<Env, "FIXTURES" | "ALLOW_LOOPBACK">): OutboundPolicy {
  return { allowLoopback: env.FIXTURES === "1" || env.ALLOW_LOOPBACK === "1" };
}

/** The parsed address, ready for `fetch`; throws a `NonRetryableError` that says why where it is refused. */
export function assertPublicTarget(address: string | URL, policy: OutboundPolicy): URL {
  const reason = whyRefused(address, policy);
  if (reason !== null) throw new NonRetryableError(`target refused: ${reason}`);
  return new URL(address);
}

/**
 * Why the address may not be called, or null where it may. Every spelling of an IP address that URL
 * parsing knows (decimal, octal, hexadecimal, short, full-width) is judged by what it means.
 */
export function whyRefused(address: string | URL, policy: OutboundPolicy): string | null {
  if (!URL.canParse(String(address))) return "not a URL";
  const url = new URL(address);
  if (url.protocol !== "http:" && url.protocol !== "https:") return "only http and https are called";
  if (url.username !== "" || url.password !== "") return "credentials in the URL; send an Authorization header";
  if (url.port === "0") return "port 0";
  const host = url.hostname;
  if (policy.allowLoopback && isLoopback(host)) return null;
  if (host.startsWith("[")) return isPublicIpv6(host) ? null : `${host} is not a public address`;
  if (IPV4.test(host)) return isPublicIpv4(host) ? null : `${host} is not a public address`;
  return isPublicName(host) ? null : `${host} is not a public name`;
}

const IPV4 = /^\d+\.\d+\.\d+\.\d+$/;

/** Whether the host of a URL is this machine. */
export function isLoopback(host: string): boolean {
  return (
    host === "localhost" ||
    host.endsWith(".localhost") ||
    host === "[::1]" ||
    (IPV4.test(host) && host.startsWith("127."))
  );
}

/**
 * Blocks without a public host in them: IANA's special-purpose registry, multicast, and Azure's metadata host.
 * https://www.iana.org/assignments/iana-ipv4-special-registry/
 */
const NOT_PUBLIC_IPV4 = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["168.63.129.16", 32],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
].map(([base, bits]) => ({ base: ipv4Number(String(base)), size: 2 ** (32 - Number(bits)) }));

function isPublicIpv4(host: string): boolean {
  const address = ipv4Number(host);
  return !NOT_PUBLIC_IPV4.some(({ base, size }) => address >= base && address < base + size);
}

function ipv4Number(host: string): number {
  return host.split(".").reduce((number, byte) => number * 256 + Number(byte), 0);
}

/**
 * Public is what 2000::/3 holds, less its special blocks. All that carries an IPv4 address inside
 * (mapped, NAT64, 6to4, Teredo) lies outside or in one of them, and so do loopback, link-local,
 * unique-local and multicast. https://www.iana.org/assignments/iana-ipv6-special-registry/
 */
function isPublicIpv6(host: string): boolean {
  // URL parsing has compressed it: within 2000::/3 the first group is always spelled out.
  const [first = 0, second = 0] = host
    .slice(1, -1)
    .split(":")
    .map((group) => Number.parseInt(group || "0", 16));
  if (first < 0x2000 || first > 0x3fff) return false;
  if (first === 0x2001) return second >= 0x200 && second !== 0xdb8;
  if (first === 0x3fff) return second >= 0x1000;
  return first !== 0x2002;
}

/** Endings that no public name has: reserved by an RFC, or in use inside networks and clouds. */
const PRIVATE_ENDINGS = [
  "localhost",
  "local",
  "localdomain",
  "internal",
  "intranet",
  "private",
  "lan",
  "home",
  "corp",
  "home.arpa",
  "consul",
  "nomad",
  "docker",
  "svc",
  "test",
  "invalid",
  "onion",
  "mail",
  "in-addr.arpa",
  "ip6.arpa",
  // Metadata services of clouds that have a name beside their address.
  "metadata.goog",
  "metadata.packet.net",
  "metadata.platformequinix.com",
  "metadata.tencentyun.com",
  "metadata.cloud.ibm.com",
  // Public services whose names lead to the private address that is written in them, or to this machine.
  "nip.io",
  "sslip.io",
  "xip.io",
  "localtest.me",
  "lvh.me",
  "vcap.me",
  "localho.st",
];

function isPublicName(host: string): boolean {
  // A name without a dot is completed by the resolver's own search list; one that ends in a dot is a
  // second spelling of another, and lists such as the one above would have to know both.
  if (!host.includes(".") || host.endsWith(".")) return false;
  return !PRIVATE_ENDINGS.some((ending) => host === ending || host.endsWith(`.${ending}`));
}
