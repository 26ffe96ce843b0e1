/** An id for each request, on its answer and in the logs. */

/** A caller's own id is used where it is safe in a log. */
const VALID = /^[A-Za-z0-9_.:-]{1,64}$/;

const ids = new WeakMap<Request, string>();

export function requestIdOf(request: Request): string {
  const known = ids.get(request);
  if (known !== undefined) return known;
  const given = request.headers.get("request-id");
  const id = given !== null && VALID.test(given) ? given : crypto.randomUUID();
  ids.set(request, id);
  return id;
}
