/**
 * What the Worker is bound to, as Lovage sees it and as the user's code does. In a Worker that has bindings of its own a name may be
 * taken, `DB` say; then Lovage's is called `LOVAGE_DB`. Whatever begins with `LOVAGE_` goes before the same name without it.
 */

const PREFIX = "LOVAGE_";

const owns = new WeakMap<Env, Env>();
const users = new WeakMap<Env, Env>();

/** The bindings with those names that Lovage's code uses. The same object where nothing has the prefix. */
export function ownBindings(env: Env): Env {
  const known = owns.get(env);
  if (known !== undefined) return known;
  const prefixed = Object.entries(env).filter(([name]) => name.startsWith(PREFIX));
  const own = prefixed.length === 0 ? env : { ...env };
  for (const [name, binding] of prefixed) Object.assign(own, { [name.slice(PREFIX.length)]: binding as unknown });
  owns.set(env, own);
  owns.set(own, own);
  if (own !== env) users.set(own, env);
  return own;
}

/** The bindings with the names that the user has given them. */
export function userBindings(env: Env): Env {
  return users.get(env) ?? env;
}
