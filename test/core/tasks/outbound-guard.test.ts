import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NonRetryableError } from "../../../src/core/errors.ts";
import { assertPublicTarget, outboundPolicy, whyRefused } from "../../../src/outbound/guard.ts";

const STRICT = { allowLoopback: false };
const LOCAL = { allowLoopback: true };

const LOOPBACK = [
  "http://localhost:8787/hook",
  "http://LOCALHOST/",
  "http://a.localhost/",
  "http://127.0.0.1:1234/",
  "http://127.1/",
  "http://127.255.255.254/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0177.0.0.1/",
  "http://0x7f.1/",
  "http://127.0.0.1./",
  "http://%31%32%37.0.0.1/",
  "http://127。0。0。1/",
  "http://①②⑦.⓪.⓪.①/",
  "http://[::1]:8080/",
  "http://[0:0:0:0:0:0:0:1]/",
];

const NEVER = [
  // Unspecified, private, carrier-grade, link-local and so on, at both edges of their blocks.
  "http://0.0.0.0/",
  "http://0/",
  "http://0.255.255.255/",
  "http://10.0.0.0/",
  "http://10.255.255.255/",
  "http://012.1.2.3/",
  "http://167772161/",
  "http://100.64.0.0/",
  "http://100.127.255.255/",
  "http://100.100.100.200/",
  "http://169.254.169.254/latest/meta-data/",
  "http://0xA9FEA9FE/",
  "http://2852039166/",
  "http://0251.0376.0251.0376/",
  "http://172.16.0.0/",
  "http://172.31.255.255/",
  "http://192.0.0.192/",
  "http://192.0.2.1/",
  "http://192.88.99.1/",
  "http://192.168.0.0/",
  "http://192.168.255.255/",
  "http://198.18.0.1/",
  "http://198.19.255.255/",
  "http://198.51.100.7/",
  "http://203.0.113.7/",
  "http://168.63.129.16/",
  "http://224.0.0.1/",
  "http://239.255.255.255/",
  "http://240.0.0.1/",
  "http://255.255.255.255/",
  // IPv6: unspecified, IPv4 inside, link-local, unique-local, multicast, documentation.
  "http://[::]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:8.8.8.8]/",
  "http://[::ffff:a9fe:a9fe]/",
  "http://[::127.0.0.1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[64:ff9b::8.8.8.8]/",
  "http://[64:ff9b:1::1]/",
  "http://[100::1]/",
  "http://[2002:7f00:1::]/",
  "http://[2002:808:808::]/",
  "http://[2001::1]/",
  "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
  "http://[2001:10::1]/",
  "http://[2001:20::1]/",
  "http://[2001:db8::1]/",
  "http://[3fff:fff::1]/",
  "http://[4000::1]/",
  "http://[5f00::1]/",
  "http://[fe80::1]/",
  "http://[fec0::1]/",
  "http://[fc00::1]/",
  "http://[fd00:ec2::254]/",
  "http://[ff02::1]/",
  "http://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]/",
  // Names that are not public.
  "http://intranet/",
  "http://metadata/",
  "http://instance-data/",
  "http://metadata.google.internal/computeMetadata/v1/",
  "http://METADATA.GOOGLE.INTERNAL/",
  "http://metadata.goog/",
  "http://db.internal/",
  "http://printer.local/",
  "http://nas.lan/",
  "http://router.home.arpa/",
  "http://localhost.localdomain/",
  "http://api.default.svc/",
  "http://api.default.svc.cluster.local/",
  "http://kubernetes.default.svc/",
  "http://vault.service.consul/",
  "http://metadata.azure.internal/",
  "http://instance-data.ec2.internal/latest/",
  "http://metadata.tencentyun.com/",
  "http://api.metadata.cloud.ibm.com/instance_identity/",
  "http://10.0.0.1.nip.io/",
  "http://169-254-169-254.sslip.io/",
  "http://localtest.me/",
  "http://any.lvh.me/",
  // The same in other spellings.
  "http://DB.Internal/",
  "http://db.internal./",
  "http://db.internal../",
  "http://db。internal/",
  "http://db．ｉｎｔｅｒｎａｌ/",
  "http://d%62.inter%6eal/",
  "http://db.inter\u00ADnal/",
  "http://db.ınternal.local/",
  "http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/",
  "http://１６９.２５４.１６９.２５４/",
  "http://169.254.43518/",
  "http://169.16689662/",
  "http://169.254.169.254./",
  "http://[::ffff:169.254.169.254]/",
  "http://[FD00:EC2::254]/",
  "http://[fd00:0ec2:0:0:0:0:0:254]/",
  "http://metadata%2egoogle%2einternal/",
  "http://example.com@metadata.google.internal/",
  "http://example.com:80@169.254.169.254/",
  "http://localhost./",
  "http://metadata.google.internal./",
  "http://example.com./",
  "http://1.0.0.127.in-addr.arpa/",
  // Not web addresses, or not plain ones.
  "ftp://example.com/",
  "file:///etc/passwd",
  "gopher://example.com/",
  "data:text/plain,x",
  "javascript:alert(1)",
  "ws://example.com/",
  "http://user@example.com/",
  "http://user:pass@example.com/",
  "http://example.com@127.0.0.1/",
  "http://:pass@example.com/",
  "http://example.com:0/",
  "http://localhost:0/",
  "http://",
  "//example.com/",
  "example.com",
  "",
];

const PUBLIC = [
  "http://example.com/",
  "https://example.com:8443/a?b=c#d",
  "https://sub.example.co.uk/",
  "https://localhost.example.com/",
  "https://internal.example.com/",
  "https://mylocal.dev/",
  "https://consul.io/",
  "https://svc.example.com/",
  "https://a.svc.example.com/",
  "https://nip.io.example.com/",
  "https://notnip.io/",
  "https://xn--mnchen-3ya.example/",
  "https://münchen.de/",
  "http://1.1.1.1/",
  "http://8.8.8.8/",
  "http://9.255.255.255/",
  "http://11.0.0.0/",
  "http://100.63.255.255/",
  "http://100.128.0.0/",
  "http://126.255.255.255/",
  "http://128.0.0.0/",
  "http://168.63.129.15/",
  "http://168.63.129.17/",
  "http://169.253.255.255/",
  "http://169.255.0.0/",
  "http://172.15.255.255/",
  "http://172.32.0.0/",
  "http://192.0.1.0/",
  "http://192.167.255.255/",
  "http://192.169.0.0/",
  "http://198.17.255.255/",
  "http://198.20.0.0/",
  "http://223.255.255.255/",
  "http://[2606:4700:4700::1111]/",
  "http://[2001:4860:4860::8888]/",
  "http://[2001:200::1]/",
  "http://[2a00:1450:4001:81b::200e]/",
  "http://[3fff:1000::1]/",
];

const byte = fc.integer({ min: 0, max: 255 });

/** Every way of writing an IPv4 address that browsers and servers take for the same. */
function spellings([a, b, c, d]: readonly [number, number, number, number]): string[] {
  const number = ((a * 256 + b) * 256 + c) * 256 + d;
  const octal = (part: number) => `0${part.toString(8)}`;
  return [
    [a, b, c, d].join("."),
    [a, b, c, d].map(octal).join("."),
    [a, b, c, d].map((part) => `0x${part.toString(16)}`).join("."),
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${(b * 256 + c) * 256 + d}`,
    String(number),
    octal(number),
    `0x${number.toString(16)}`,
    `${a}.${octal(b)}.0x${c.toString(16)}.${d}.`,
  ];
}

describe("outbound guard", () => {
  it.each(LOOPBACK)("lets %s through where loopback is allowed, and only there", (address) => {
    expect(whyRefused(address, STRICT)).not.toBeNull();
    expect(whyRefused(address, LOCAL)).toBeNull();
  });

  it.each(NEVER)("never lets %s through", (address) => {
    expect(whyRefused(address, STRICT)).not.toBeNull();
    expect(whyRefused(address, LOCAL)).not.toBeNull();
  });

  it.each(PUBLIC)("lets %s through", (address) => {
    expect(whyRefused(address, STRICT)).toBeNull();
    expect(whyRefused(new URL(address), STRICT)).toBeNull();
  });

  it("judges an IPv4 address the same however it is spelt, and embedded in IPv6 never lets it through", () => {
    const address = fc.oneof(
      fc.tuple(byte, byte, byte, byte),
      fc.tuple(
        fc.constantFrom(0, 10, 100, 127, 169, 172, 192, 198, 203, 224),
        fc.constantFrom(0, 16, 31, 64, 127, 168, 254),
        byte,
        byte,
      ),
    );
    fc.assert(
      fc.property(address, (parts) => {
        const plain = whyRefused(`http://${parts.join(".")}/`, STRICT);
        for (const host of spellings(parts)) {
          expect([host, whyRefused(`http://${host}/`, STRICT)]).toEqual([host, plain]);
        }
        for (const prefix of ["::ffff:", "::", "64:ff9b::", "::ffff:0:"]) {
          const address = `http://[${prefix}${parts.join(".")}]/`;
          const allowed = address === "http://[::0.0.0.1]/";
          expect([address, whyRefused(address, LOCAL) === null]).toEqual([address, allowed]);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("lets no IPv6 address through that is not global unicast, however it is compressed", () => {
    const group = fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constant(0));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const address = `http://[${groups.map((part) => part.toString(16)).join(":")}]/`;
        const [first = 0, second = 0] = groups;
        const special =
          (first === 0x2001 && (second < 0x200 || second === 0xdb8)) ||
          first === 0x2002 ||
          (first === 0x3fff && second < 0x1000);
        expect(whyRefused(address, STRICT) === null).toBe(first >>> 13 === 1 && !special);
      }),
      { numRuns: 3_000 },
    );
  });

  it("never breaks, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((host) => `http://${host}/`),
        ),
        (address) => {
          const reason = whyRefused(address, STRICT);
          expect(reason === null || reason.length > 0).toBe(true);
        },
      ),
    );
  });

  it("gives the parsed address, or a non-retryable error that says why", () => {
    expect(assertPublicTarget("https://example.com/a b", STRICT).href).toBe("https://example.com/a%20b");
    expect(() => assertPublicTarget("http://10.0.0.1/", STRICT)).toThrow(NonRetryableError);
    expect(() => assertPublicTarget("http://10.0.0.1/", STRICT)).toThrow(
      "target refused: 10.0.0.1 is not a public address",
    );
  });

  it("allows loopback only where the fixtures are, or where it is said", () => {
    expect(outboundPolicy({ FIXTURES: "1" })).toEqual(LOCAL);
    expect(outboundPolicy({ ALLOW_LOOPBACK: "1" })).toEqual(LOCAL);
    expect(outboundPolicy({ FIXTURES: "0" })).toEqual(STRICT);
    expect(outboundPolicy({})).toEqual(STRICT);
  });
});
