/**
 * Miniflare's queues tell this process of every batch that they have delivered, by an HTTP request for a line of its log, and
 * deliver no other batch before the answer. Miniflare makes a `Request` and a `Response` for each of them, also where the line is
 * not shown, and no option of its own leaves the line out.
 */

import http, { type IncomingMessage, type RequestListener } from "node:http";

const PATH = "/core/log";
const LEVEL = "mf-log-level";

/** From here on a server that Miniflare creates answers requests for lines above this level at once. Returns a function that ends that for new servers. */
export function dropLinesAbove(level: number): () => void {
  const create = http.createServer;
  const isUnshown = ({ url, headers }: IncomingMessage) => url === PATH && Number(headers[LEVEL]) > level;
  http.createServer = ((listener: RequestListener) =>
    create((request, response) => {
      if (!isUnshown(request)) return listener(request, response);
      request.resume();
      response.writeHead(204).end();
    })) as typeof create;
  return () => void (http.createServer = create);
}
