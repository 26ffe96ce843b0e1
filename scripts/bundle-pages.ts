/** Bundles the pages: each HTML file, with the scripts, styles and pictures beside it that it names. */
import { cpSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, extname, join, relative } from "node:path";

/** A file of the sources in a page; what else it links to are addresses of the service. */
const SOURCE = /(?<=(?:src|href)=")\.\/[^"]+\.(?:tsx?|css|svg)(?=")/g;

/** Browsers of 2023 and later. */
const TARGET = ["chrome107", "edge107", "firefox104", "safari16"];

/** Bundles the pages of the folder `pages` into the folder `out`, with what they load in `assets` below it, named by its content. */
export async function bundlePages(pages: string, out: string): Promise<void> {
  const { build } = await import("esbuild");
  const texts = new Map(
    globSync("*.html", { cwd: pages }).map((file) => [file, readFileSync(join(pages, file), "utf8")]),
  );
  const entryPoints = new Map<string, { in: string; out: string }>();
  for (const [file, text] of texts) {
    for (const [source] of text.matchAll(SOURCE)) {
      const path = join(pages, source);
      const name = extname(path) === ".svg" ? path : file;
      entryPoints.set(path, { in: path, out: basename(name, extname(name)) });
    }
  }
  const { metafile } = await build({
    absWorkingDir: pages,
    entryPoints: [...entryPoints.values()],
    bundle: true,
    minify: true,
    format: "esm",
    target: TARGET,
    loader: { ".svg": "copy" },
    define: { "process.env.NODE_ENV": '"production"' },
    outdir: join(out, "assets"),
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  const bundled = new Map(
    Object.entries(metafile.outputs).flatMap(([file, { entryPoint }]) =>
      entryPoint === undefined ? [] : [[entryPoint, `./${relative(out, join(pages, file))}`]],
    ),
  );
  for (const [file, text] of texts) {
    const named = text.replaceAll(SOURCE, (source) => bundled.get(source.slice(2))!);
    writeFileSync(join(out, file), named);
  }
  cpSync(join(pages, "public"), out, { recursive: true });
}
