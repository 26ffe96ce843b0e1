/** Tags as one types them: `customer=42 note="two words"`. Pure. */

/** The text that {@link tagsOf} reads as these tags. */
export function tagWords(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${/^[^\s"\\]+$/.test(value) ? value : JSON.stringify(value)}`)
    .join(" ");
}

/** The tags of a text; null where it is none. */
export function tagsOf(text: string): Record<string, string> | null {
  const found: [string, string][] = [];
  const term = /([\w.-]+)=(?:("(?:[^"\\]|\\.)*")|([^\s"\\]+))(?=\s|$)/g;
  const rest = text.replaceAll(term, (whole, name: string, quoted: string | undefined, plain: string) => {
    const value = quoted === undefined ? plain : unquoted(quoted);
    if (value === null) return whole;
    found.push([name, value]);
    return "";
  });
  return rest.trim() === "" ? Object.fromEntries(found) : null;
}

function unquoted(text: string): string | null {
  try {
    return String(JSON.parse(text));
  } catch {
    return null;
  }
}
