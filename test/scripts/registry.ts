/** A registry on loopback that has the releases of this repository; every other package npm gets from the registry it is configured with. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

interface Release {
  version: string;
  manifest: object;
  tarball: Buffer;
}

export interface Registry {
  url: string;
  /** The newest release is the last one. */
  publish(manifest: { name: string; version: string }, tarball: string): void;
  stop(): Promise<void>;
}

export async function startRegistry(): Promise<Registry> {
  const { stdout } = await promisify(execFile)("npm", ["config", "get", "registry"]);
  const upstream = stdout.trim().replace(/\/$/, "");
  const packages = new Map<string, Release[]>();
  let url = "";
  const server = createServer((request, response) => {
    const [name = "", file] = (request.url ?? "").slice(1).split("/-/");
    const releases = packages.get(name);
    if (releases === undefined) return response.writeHead(302, { location: `${upstream}${request.url}` }).end();
    if (file === undefined) return response.setHeader("cache-control", "no-cache").end(packument(url, name, releases));
    const release = releases.find(({ version }) => file === `${name}-${version}.tgz`);
    return release === undefined ? response.writeHead(404).end() : response.end(release.tarball);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    publish: (manifest, path) => {
      const release = { version: manifest.version, manifest, tarball: readFileSync(path) };
      packages.set(manifest.name, [...(packages.get(manifest.name) ?? []), release]);
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function packument(url: string, name: string, releases: readonly Release[]): string {
  const versions = releases.map(({ version, manifest, tarball }) => {
    const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
    return [version, { ...manifest, dist: { tarball: `${url}/${name}/-/${name}-${version}.tgz`, integrity } }];
  });
  return JSON.stringify({
    name,
    "dist-tags": { latest: releases.at(-1)?.version },
    versions: Object.fromEntries(versions),
  });
}
