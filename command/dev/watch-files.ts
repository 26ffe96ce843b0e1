/** Watches the files that a Worker is made of. */

import { existsSync, watch, type FSWatcher } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Project } from "../project.ts";

/** Several files are often saved together. */
const SETTLE_MS = 50;

export interface FileWatch {
  /** Sets the files that are watched besides the configuration, as paths from the project's root. */
  watch(inputs: readonly string[]): void;
  stop(): void;
}

/** Calls `saved` after changes; `isConfig`: the configuration or `.dev.vars` is among the changed files. */
export function watchFiles({ root, configPath }: Project, saved: (isConfig: boolean) => void): FileWatch {
  const watchers = new Map<string, FSWatcher>();
  let inputs = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isConfig = false;
  const changed = (file: string, folder: string) => {
    const isOfConfig = file === configPath || file === join(root, ".dev.vars");
    // A file that an import did not find may be there now.
    const isNew = /\.[cm]?[jt]sx?$/.test(file) && folder !== root;
    if (!isOfConfig && !isNew && !inputs.has(file)) return;
    isConfig ||= isOfConfig;
    clearTimeout(timer);
    timer = setTimeout(() => {
      saved(isConfig);
      isConfig = false;
    }, SETTLE_MS);
  };
  // Folders, because editors replace a file when they save it.
  const watchFolder = (folder: string) => {
    if (watchers.has(folder) || !existsSync(folder)) return;
    const watcher = watch(folder, (_event, name) => {
      if (name !== null) changed(join(folder, name), folder);
    });
    watcher.on("error", () => watchers.delete(folder));
    watchers.set(folder, watcher);
  };
  watchFolder(root);
  return {
    watch(paths) {
      inputs = new Set(paths.filter((path) => !path.includes("node_modules/")).map((path) => resolve(root, path)));
      for (const file of inputs) watchFolder(dirname(file));
    },
    stop() {
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}
