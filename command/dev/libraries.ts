/**
 * The libraries that every project shares, bundled once for all swaps: they are most of a Worker, and no save changes them. Only
 * packages of ES modules can be separate, because imports by name from other packages work only within one bundle.
 */

import { createHash } from "node:crypto";
import { basename, join, sep } from "node:path";
import type { BuildOptions, OnResolveResult, Plugin } from "esbuild";
import { packageRoot } from "../package.ts";
import type { Tools } from "../project.ts";

/** The folder of their modules in the bundle, and so in stacks. */
export const LIBRARIES = "lovage-libraries";

const PACKAGES = /^(lovage|zod|hono|croner)(\/|$)/;

/** A module beside the bundle, by its path in it. */
export interface LibraryModule {
  path: string;
  contents: string;
}

export class Libraries {
  readonly #esbuild: Tools["esbuild"];
  readonly #options: BuildOptions;
  /** The names of the modules that the code imports, by their files. */
  readonly #entries = new Map<string, string>();
  /** What imports resolve to, by their texts and the folders of the importing files. */
  readonly #known = new Map<string, OnResolveResult>();
  #built: { count: number; modules: LibraryModule[] } = { count: 0, modules: [] };

  /** `options`: those of the bundle. */
  constructor(esbuild: Tools["esbuild"], options: BuildOptions) {
    this.#esbuild = esbuild;
    this.#options = options;
  }

  /** Leaves imports of the libraries to modules of their own, whichever file imports them, so that there is one of each. */
  get plugin(): Plugin {
    return {
      name: "lovage-libraries",
      setup: (build) =>
        build.onResolve({ filter: PACKAGES }, async ({ path, kind, pluginData, ...where }) => {
          if (pluginData === this || (kind !== "import-statement" && kind !== "dynamic-import")) return undefined;
          const from = `${path} ${where.resolveDir}`;
          const known = this.#known.get(from);
          if (known !== undefined) return known;
          const found = await build.resolve(path, { ...where, kind, pluginData: this });
          if (found.errors.length > 0 || found.external || !isInstalled(found.path)) return found;
          if (!this.#entries.has(found.path)) this.#entries.set(found.path, nameOf(path, found.path));
          const name = this.#entries.get(found.path)!;
          const result = { path: `./${LIBRARIES}/${name}.js`, external: true, sideEffects: false };
          this.#known.set(from, result);
          return result;
        }),
    };
  }

  /** The modules of everything that has been imported so far. */
  async modules(): Promise<LibraryModule[]> {
    if (this.#built.count === this.#entries.size) return this.#built.modules;
    const count = this.#entries.size;
    const { outputFiles } = await this.#esbuild.build({
      ...this.#options,
      entryPoints: Object.fromEntries([...this.#entries].map(([file, name]) => [name, file])),
      splitting: true,
      outdir: `/${LIBRARIES}`,
      chunkNames: "chunk-[hash]",
      sourcemap: false,
      metafile: false,
      write: false,
    });
    const modules = outputFiles.map(({ path, text }) => ({ path: join(LIBRARIES, basename(path)), contents: text }));
    this.#built = { count, modules };
    return modules;
  }
}

function nameOf(path: string, file: string): string {
  return `${path.replaceAll(/[^\w-]/g, "-")}-${createHash("sha256").update(file).digest("hex").slice(0, 8)}`;
}

/** Whether a file belongs to an installed package, this one included: only an installation changes it. */
function isInstalled(file: string): boolean {
  return file.includes(`${sep}node_modules${sep}`) || file.startsWith(join(packageRoot(), "dist") + sep);
}
