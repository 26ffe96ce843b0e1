/** Notices when a state directory is deleted while its server runs: what the server accepted from then on would be lost. */

import { globSync, statSync, watch, type FSWatcher } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { STATE } from "./state-files.ts";

/** For systems that do not report changes of files. */
const LOOK_EVERY_MS = 250;

const LISTEN_AGAIN_MS = 50;

/** Calls `deleted` once, when a database or a folder of the directory is gone or replaced. Returns a function that ends the watch. */
export function watchState(persist: string, deleted: () => void): () => void {
  const inodeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.ino;
  const databases = globSync(join(persist, STATE, "d1/*/*.sqlite"));
  const folders = [persist, join(persist, STATE), ...databases.map((file) => dirname(file))];
  const known = new Map([...folders, ...databases].map((path) => [path, inodeOf(path)]));
  const watchers: FSWatcher[] = [];
  const end = () => {
    clearInterval(timer);
    for (const watcher of watchers) watcher.close();
  };
  let isOver = false;
  const look = () => {
    if (isOver || [...known].every(([path, inode]) => inodeOf(path) === inode)) return;
    isOver = true;
    end();
    deleted();
  };
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  for (const folder of new Set(folders)) watchers.push(watch(folder, look).on("error", look));
  return () => {
    isOver = true;
    end();
  };
}

/** Answers 503 to every request at this address, as soon as the address is free. */
export function refuseAt(url: string): void {
  const detail = "The state of this server was deleted while it ran. Start it again.";
  const body = JSON.stringify({ type: "/problems/unavailable", title: "Not stored; try again", status: 503, detail });
  const { port, hostname } = new URL(url);
  const server = createServer((_request, response) => {
    response.writeHead(503, { "Content-Type": "application/problem+json", "Retry-After": "10" });
    response.end(body);
  });
  const listen = () => server.listen(Number(port), hostname);
  server.on("error", () => setTimeout(listen, LISTEN_AGAIN_MS));
  listen();
}
