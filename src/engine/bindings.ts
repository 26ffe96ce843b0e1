/**
 * The Worker's bindings, by the names that Lovage's code uses and by those that the user's code uses. A Worker with bindings of
 * its own may already use a name such as `DB`; Lovage's binding is then called `LOVAGE_DB`. A binding whose name begins with
 * `LOVAGE_` takes precedence over the one with the same name without that prefix.
 */

const PREFIX = "LOVAGE_";

const owns = new WeakMap<Env, Env>();
const users = new WeakMap<Env, Env>();

/** The bindings by the names that Lovage's code uses. The same object where no name has the prefix. */
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
