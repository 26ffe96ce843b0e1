/** Links between the documents lead somewhere. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const documents = ["*.md", "docs/**/*.md", "src/**/README.md", "test/**/README.md", "clients/*/README.md"].flatMap(
  (each) => globSync(each),
);

/** Files that a document links to, without addresses elsewhere and places in itself. */
function linked(file: string): string[] {
  const links = readFileSync(file, "utf8").matchAll(/\]\(([^)\s]+)\)/g);
  return [...links].map(([, to = ""]) => to.replace(/#.*/, "")).filter((to) => to !== "" && !/^\w+:|^\//.test(to));
}

describe("the documents", () => {
  it("are found", () => {
    expect(documents).toEqual(expect.arrayContaining(["README.md", "CONTRIBUTING.md", "docs/platform.md"]));
  });

  it.each(documents)("%s links to files that exist", (file) => {
    expect(linked(file).filter((to) => !existsSync(join(dirname(file), to)))).toEqual([]);
  });
});
