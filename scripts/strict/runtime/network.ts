/** Requests to the network: each is a subrequest of its event, and holds one of its six connections until the headers come. */

import { currentEvent } from "./event.ts";

const fetchFreely = globalThis.fetch.bind(globalThis);

/** Replaces `fetch` by one with the limits, for every module that is evaluated later. */
export function limitNetwork(): void {
  globalThis.fetch = fetchWithin;
}

async function fetchWithin(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const event = currentEvent();
  if (event === null) return fetchFreely(input, init);
  return event.answer(async () => {
    event.spend("subrequests");
    const request = new Request(input, init);
    const release = await event.connect();
    try {
      return await fetchFreely(request, { signal: AbortSignal.any([request.signal, event.signal]) });
    } finally {
      release();
    }
  });
}
