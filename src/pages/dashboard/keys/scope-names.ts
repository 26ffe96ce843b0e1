/** What a key may be allowed. */

export const SCOPE_NAMES = ["read", "submit", "cancel", "admin"] as const;
