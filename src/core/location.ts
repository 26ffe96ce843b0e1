/** Where Durable Objects are created: near the database, if the deployment says where that is. */

/**
 * The options of the first call to a Durable Object. The platform reads the hint when the object is made and never again;
 * without one, an object is made near its first caller (https://developers.cloudflare.com/durable-objects/reference/data-location/).
 */
export function placed(env: Pick<Env, "LOCATION">): { locationHint?: DurableObjectLocationHint } {
  return env.LOCATION ? { locationHint: env.LOCATION as DurableObjectLocationHint } : {};
}
