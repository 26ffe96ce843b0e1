import { describe, expect, it } from "vitest";
import { DELIVERY_ATTEMPTS, deliveryDelay, deliveryTenant, ownerOf, validSecrets } from "../../src/core/webhook.ts";
import { webhookSecretSchema } from "../../src/contract/webhook.ts";
import { whyNoTarget } from "../../src/engine/webhooks/target.ts";
import { tenantSchema } from "../../src/contract/key.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe("the delay of a delivery", () => {
  it("climbs the ladder of the specification, and ends", () => {
    const steps = Array.from({ length: DELIVERY_ATTEMPTS }, (_, i) => deliveryDelay(i + 1, 0.5));
    expect(steps).toEqual([
      5_000,
      5 * MINUTE,
      30 * MINUTE,
      2 * HOUR,
      5 * HOUR,
      10 * HOUR,
      14 * HOUR,
      20 * HOUR,
      24 * HOUR,
      null,
    ]);
  });

  it("differs from delivery to delivery by a tenth at most", () => {
    expect(deliveryDelay(1, 0)).toBe(4_500);
    expect(deliveryDelay(1, 0.999_999)).toBe(5_500);
    expect(deliveryDelay(2, 0)).toBe(270_000);
  });
});

describe("secrets", () => {
  it("sign until they expire", () => {
    const secrets = [
      { secret: "new", expiresAt: null },
      { secret: "old", expiresAt: 100 },
      { secret: "older", expiresAt: 50 },
    ];
    expect(validSecrets(secrets, 49)).toEqual(["new", "old", "older"]);
    expect(validSecrets(secrets, 50)).toEqual(["new", "old"]);
    expect(validSecrets(secrets, 100)).toEqual(["new"]);
  });

  const ofBytes = (count: number) => `whsec_${btoa("x".repeat(count))}`;

  it.each([24, 25, 26, 32, 63, 64])("of %i bytes are taken", (bytes) => {
    expect(webhookSecretSchema.safeParse(ofBytes(bytes)).success).toBe(true);
  });

  it.each(["", "whsec_", ofBytes(23), ofBytes(65), ofBytes(32).slice(6), `${ofBytes(32)}=`, ofBytes(32).slice(0, -2)])(
    "like %j are not",
    (secret) => {
      expect(webhookSecretSchema.safeParse(secret).success).toBe(false);
    },
  );
});

describe("a target", () => {
  const reasonFor = (url: string, fixtures: string) => whyNoTarget({ FIXTURES: fixtures } as Env, url);

  it.each(["https://example.com/", "https://example.com:8443/a?b=c", "https://8.8.8.8/"])("may be %s", (url) => {
    expect(reasonFor(url, "")).toBeNull();
    expect(reasonFor(url, "1")).toBeNull();
  });

  it.each(["http://127.0.0.1:9999/", "http://localhost/", "https://localhost/", "http://[::1]:80/"])(
    "may be %s only where the fixtures are",
    (url) => {
      expect(reasonFor(url, "1")).toBeNull();
      expect(reasonFor(url, "")).not.toBeNull();
    },
  );

  it.each(["http://example.com/", "http://8.8.8.8/", "https://10.0.0.1/", "http://192.168.1.1/", "ftp://example.com/"])(
    "is never %s",
    (url) => {
      expect(reasonFor(url, "")).not.toBeNull();
      expect(reasonFor(url, "1")).not.toBeNull();
    },
  );
});

describe("the tenant of deliveries", () => {
  it("is one that no key can have, and leads back", () => {
    expect(tenantSchema.safeParse(deliveryTenant("acme")).success).toBe(false);
    expect(ownerOf(deliveryTenant("acme"))).toBe("acme");
  });
});
