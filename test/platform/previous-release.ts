/** The release that runs in deployments while this one is being uploaded: its source and its Worker, made from the repository's own history. */
import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import type { Migration } from "./schema-rules.ts";

/** Moves on with each release. */
export const PREVIOUS = { version: "0.2.0", commit: "1506621a82fc01347d03530a693cf3a93493c311" } as const;

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

/** The migrations in a release's source directory, in order; without one, this release's. */
export function migrationsIn(release = root): Migration[] {
  return globSync(join(release, "src/results/migrations/*.sql"))
    .toSorted()
    .map((file) => ({ name: basename(file), sql: readFileSync(file, "utf8") }));
}

/** Answers the directory of the previous release's source. Extracted once for each commit. */
export async function previousSource(): Promise<string> {
  const release = join(root, "dist/previous", PREVIOUS.commit);
  if (existsSync(release)) return release;
  await run("git", ["cat-file", "-e", `${PREVIOUS.commit}^{commit}`], { cwd: root }).catch(() => {
    throw new Error(
      `the commit of the previous release, ${PREVIOUS.commit}, is not in this clone: get it with \`git fetch --unshallow\` (or \`git fetch origin --tags\`)`,
    );
  });
  const fresh = `${release}-${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const archive = `${fresh}.tar`;
  await run("git", ["archive", "--output", archive, PREVIOUS.commit], { cwd: root });
  await run("tar", ["-xf", archive, "-C", fresh]);
  rmSync(archive);
  symlinkSync(join(root, "node_modules"), join(fresh, "node_modules"));
  try {
    renameSync(fresh, release);
  } catch (error) {
    // Another run has just put it there.
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(release)) throw error;
  }
  return release;
}

/** Answers the directory of the previous release with its Worker built. It has no pages: nobody looks at them, and they take long. */
export async function previousRelease(): Promise<string> {
  const release = await previousSource();
  mkdirSync(join(release, "dist/pages"), { recursive: true });
  writeFileSync(join(release, "dist/.pages-built"), "");
  const script = "import { build } from './scripts/build.ts'; await build();";
  await run(process.execPath, ["--input-type=module", "--eval", script], { cwd: release });
  return release;
}
