/** The package that this command comes with. */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import tools from "../test/tools/package.json" with { type: "json" };

interface Manifest {
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

/** The folder of the package. It is searched for, because bundling moves this file. */
export function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

export function ownPackage(): Manifest {
  return JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as Manifest;
}

/** The version of a package that this one was tested with. */
export function testedVersion(name: string): string {
  const { dependencies, devDependencies } = ownPackage();
  const version = dependencies[name] ?? devDependencies[name] ?? (tools.dependencies as Record<string, string>)[name];
  if (version === undefined) throw new Error(`package.json does not name ${name}`);
  return version;
}
