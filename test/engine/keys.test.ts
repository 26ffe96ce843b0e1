/** Keys: their checksum, what finding one costs, and what ends with the key that has made it. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { auditOf, isAuditId } from "../../src/engine/audit.ts";
import { createKey, type KeyMaker, type NewKey } from "../../src/engine/keys/create.ts";
import { findKey, findKeyById } from "../../src/engine/keys/find.ts";
import { formOf, hashOf, newKeyText } from "../../src/engine/keys/text.ts";
import { revokeKey } from "../../src/engine/keys/revoke.ts";
import { DEPLOYMENT, type StoredKey } from "../../src/results/keys.ts";
import { databaseOver, executeOn } from "./database-over.ts";

let statements = 0;

const counted: Env = {
  ...env,
  DB: databaseOver(async (asked) => {
    statements += asked.length;
    return executeOn(env.DB)(asked);
  }),
};

/** D1 statements of this. */
async function costOf(work: () => Promise<unknown>): Promise<number> {
  const before = statements;
  await work();
  return statements - before;
}

const now = Date.now();

const root: KeyMaker = { keyId: DEPLOYMENT, expiresAt: null, rateOf: null };

const wanted: NewKey = { tenant: "t", name: "k", scopes: ["admin"], rateLimited: false, expiresAt: null };

async function make(maker: KeyMaker = root, more: Partial<NewKey> = {}) {
  const made = await createKey(env, { ...wanted, ...more }, maker, now);
  if (made === null) throw new Error("the maker has ended");
  return made;
}

/** What a key of this description makes others with. */
const makerOf = ({ id, expiresAt, rateLimited, rateOf }: StoredKey): KeyMaker => ({
  keyId: id,
  expiresAt,
  rateOf: rateLimited ? (rateOf ?? id) : null,
});

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** The text with one character replaced, two swapped, one left out, one more. */
function typos(text: string): string[] {
  const at = 7 + Math.floor(Math.random() * 58);
  const other = ALPHABET[(ALPHABET.indexOf(text[at]!) + 1 + Math.floor(Math.random() * 31)) % 32]!;
  const swapped = text.slice(0, at) + text[at + 1] + text[at] + text.slice(at + 2);
  return [
    text.slice(0, at) + other + text.slice(at + 1),
    ...(swapped === text ? [] : [swapped]),
    text.slice(0, at) + text.slice(at + 1),
    text + other,
    text.slice(0, -1),
    text.toUpperCase(),
  ];
}

describe("a key's checksum", () => {
  it("holds for every new key and for no mistyped one", () => {
    for (let i = 0; i < 500; i++) {
      const text = newKeyText();
      expect(formOf(text)).toBe("checked");
      for (const typo of typos(text)) expect([typo, formOf(typo)]).not.toEqual([typo, "checked"]);
    }
  });

  it("is the CRC-32 that docs and scanners reckon with", () => {
    // CRC-32 of 52 zeros, reckoned by Python's zlib.
    expect(formOf(`lovage_${"0".repeat(52)}1rna36f`)).toBe("checked");
  });

  it("has a mistyped key refused without a look", async () => {
    const { text } = await make();
    const cost = await costOf(async () => {
      for (const typo of typos(text)) expect(await findKey(counted, typo, now)).toBeNull();
      for (const foreign of ["", "x", "lovage_", `ghp_${"a".repeat(36)}`]) await findKey(counted, foreign, now);
    });
    expect(cost).toBe(0);
  });
});

describe("finding a key", () => {
  it("reads once however often it is shown, known or not", async () => {
    const { text, stored } = await make();
    for (const shown of [text, newKeyText()]) {
      const cost = await costOf(async () => {
        for (let i = 0; i < 50; i++)
          expect((await findKey(counted, shown, now))?.id).toBe(shown === text ? stored.id : undefined);
      });
      expect(cost).toBe(1);
    }
    expect(await costOf(() => findKeyById(counted, stored.id, now))).toBe(0);
  });

  it("stays open to callers with a key while a flood of others is tried", async () => {
    const { text } = await make();
    await findKey(counted, text, now);
    const nothing = { results: [], success: true, meta: {} } as unknown as D1Result;
    const empty: Env = { ...env, DB: databaseOver(async (asked) => asked.map(() => nothing)) };
    for (let i = 0; i < 2_500; i++) await findKey(empty, newKeyText(), now);
    expect(await costOf(() => findKey(counted, text, now))).toBe(0);
  });

  it("reads once for all that look like a key from before checksums, and finds those that are", async () => {
    const random = () => `lv_${newKeyText().slice(7, 59)}`;
    const old = random();
    const cost = await costOf(async () => {
      for (let i = 0; i < 50; i++) expect(await findKey(counted, random(), now)).toBeNull();
    });
    expect(cost).toBe(1);
    // As the release before has stored it.
    await env.DB.prepare(
      `INSERT INTO keys (id, tenant, name, prefix, hash, scopes, rate_limited, created_at, expires_at)
       VALUES ('key_old', 't', 'old', ?1, ?2, '["read"]', 0, ?3, NULL)`,
    )
      .bind(old.slice(0, 11), await hashOf(old), now)
      .run();
    const later = now + 5_001;
    expect(await findKey(counted, old, later)).toMatchObject({ id: "key_old", createdBy: null });
    expect(await revokeKey(env, "t", "key_old", later)).toBe(true);
    expect(await findKey(counted, old, later)).toBeNull();
  });
});

describe("what a key has made", () => {
  it("ends with it, to the last generation, and nothing else does", async () => {
    const top = await make();
    const child = await make(makerOf(top.stored));
    const grandchild = await make(makerOf(child.stored), { tenant: "t" });
    const beside = await make();
    const all = [top, child, grandchild, beside];
    for (const { text } of all) expect(await findKey(env, text, now)).not.toBeNull();
    await revokeKey(env, "t", top.stored.id, now);
    const found = await Promise.all(all.map(({ text }) => findKey(env, text, now)));
    expect(found.map((key) => key?.id ?? null)).toEqual([null, null, null, beside.stored.id]);
    const byId = await Promise.all(all.map(({ stored }) => findKeyById(env, stored.id, now)));
    expect(byId.map((key) => key?.id ?? null)).toEqual([null, null, null, beside.stored.id]);
    // A maker that another isolate still takes for valid makes nothing.
    expect(await createKey(env, wanted, makerOf(child.stored), now)).toBeNull();
  });

  it("has an entry in the audit log for each key that ends, once", async () => {
    const tenant = "audited";
    const top = await make(root, { tenant });
    const [child, gone] = [await make(makerOf(top.stored), { tenant }), await make(makerOf(top.stored), { tenant })];
    const grandchild = await make(makerOf(child.stored), { tenant, name: "youngest" });
    await revokeKey(env, tenant, gone.stored.id, now);
    const actor = { kind: "key", id: "admin", ip: "203.0.113.7" } as const;
    const entry = () => auditOf(actor, "key.revoke", { tenant, target: top.stored.id, detail: { name: "k" } }, now);
    await revokeKey(env, tenant, top.stored.id, now, entry());
    await revokeKey(env, tenant, top.stored.id, now, entry());
    const { results } = await env.DB.prepare("SELECT * FROM audit WHERE tenant = ?1 ORDER BY target")
      .bind(tenant)
      .all<{ id: string; target: string; detail: string }>();
    const ended = [top, child, grandchild].map(({ stored }) => stored.id).toSorted();
    expect(results.map(({ target }) => target)).toEqual(ended);
    expect(results.every(({ id }) => isAuditId(id))).toBe(true);
    expect(results.find(({ target }) => target === grandchild.stored.id)).toMatchObject({
      action: "key.revoke",
      actor_id: "admin",
      ip: "203.0.113.7",
      at: now,
      detail: JSON.stringify({ name: "youngest", with: top.stored.id }),
    });
  });

  it("keeps the time of an earlier revocation", async () => {
    const top = await make();
    const child = await make(makerOf(top.stored));
    await revokeKey(env, "t", child.stored.id, now + 1);
    await revokeKey(env, "t", top.stored.id, now + 2);
    const times = await env.DB.prepare("SELECT revoked_at AS at FROM keys WHERE id IN (?1, ?2) ORDER BY at")
      .bind(child.stored.id, top.stored.id)
      .all<{ at: number }>();
    expect(times.results.map((row) => row.at)).toEqual([now + 1, now + 2]);
  });

  it("expires no later, and is limited together with it", async () => {
    const expiring = await make(root, { expiresAt: now + 60_000, rateLimited: true });
    const child = await make(makerOf(expiring.stored), { expiresAt: now + 120_000 });
    const sooner = await make(makerOf(child.stored), { expiresAt: now + 30_000 });
    const open = await make(makerOf(child.stored));
    const shown = [child, sooner, open].map(({ stored }) => [stored.expiresAt, stored.rateLimited, stored.rateOf]);
    const limit = expiring.stored.id;
    expect(shown).toEqual([
      [now + 60_000, true, limit],
      [now + 30_000, true, limit],
      [now + 60_000, true, limit],
    ]);
    expect(await findKey(env, open.text, now + 59_999)).not.toBeNull();
    expect(await findKey(env, open.text, now + 60_000)).toBeNull();
    expect(await createKey(env, wanted, makerOf(expiring.stored), now + 60_000)).toBeNull();
  });
});
