/** What is installed is what was looked at: every package by its hash, the Node that the scripts run on too, from whichever registry. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

type Locked = {
  version: string;
  integrity?: string;
  resolved?: string;
  link?: boolean;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
};

const root = join(import.meta.dirname, "../..");
const text = readFileSync(join(root, "package-lock.json"), "utf8");
const {
  "": own,
  "scripts/node": node,
  "test/tools": tools,
  ...all
} = (JSON.parse(text) as { packages: Record<string, Locked> }).packages;
const packages = Object.fromEntries(Object.entries(all).filter(([, { link }]) => link !== true));

it("names the hash of every package, those for other platforms too", () => {
  const bare = Object.entries(packages).filter(([, { integrity = "" }]) => !/^sha512-[\w+/]{86}==$/.test(integrity));
  expect(bare.map(([path]) => path)).toEqual([]);
});

it("names no registry but the public one", () => {
  const hosts = [...text.matchAll(/\b[a-z][a-z+]*:\/\/[^"\s]*/g)].map(([address]) => new URL(address));
  const elsewhere = Object.values(packages).flatMap(({ resolved = [] }) => resolved);
  expect(elsewhere.filter((address) => !address.startsWith("https://registry.npmjs.org/"))).toEqual([]);
  // What is left are the pages where packages ask for money.
  expect(hosts.filter(({ protocol, port }) => (protocol !== "https:" && protocol !== "http:") || port !== "")).toEqual(
    [],
  );
  expect(hosts.filter(({ hostname }) => /^[\d.]+$|^localhost$|^[^.]+$/.test(hostname))).toEqual([]);
});

it("has a Node for each platform that needs one, as packages that run no script to fetch it", () => {
  const binaries = Object.keys(node?.optionalDependencies ?? {}).filter((name) =>
    /^node-(?:bin-)?(?:linux|darwin|win)-/.test(name),
  );
  expect(binaries.length).toBeGreaterThanOrEqual(5);
  for (const name of binaries)
    expect(packages[`node_modules/${name}`]).toMatchObject({
      bin: { node: expect.stringMatching(/^bin\/node/) },
      os: expect.anything(),
      cpu: expect.anything(),
    });
  expect(packages).not.toHaveProperty("node_modules/node");
});

it("leaves what only checks and tests need out of what a start installs", () => {
  const both = Object.keys({ ...own?.dependencies, ...own?.devDependencies }).filter(
    (name) => tools?.dependencies?.[name] !== undefined,
  );
  expect(both).toEqual([]);
  expect(tools?.dependencies).toMatchObject({ vitest: expect.any(String), "@sparticuz/chromium": expect.any(String) });
});
