/** The client for Python: installed without a network as its users do it, its tests, and the samples of its README. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareServer, type SharedServer } from "../http/shared-server.ts";

const root = join(import.meta.dirname, "../..");
const source = join(root, "clients/python");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

const works = (...command: [string, ...string[]]) => spawnSync(command[0], command.slice(1)).status === 0;
const isNewEnough = "import sys; sys.exit(sys.version_info < (3, 9))";

/** Those at hand that it is made for. */
const pythons = ["python3", ...[9, 10, 11, 12, 13, 14].map((minor) => `python3.${minor}`)].filter((name) =>
  works(name, "-c", isNewEnough),
);
const [python = ""] = pythons;
const hasPip = works(python, "-m", "pip", "--version");

describe.skipIf(python === "")("the client for Python (skipped where there is no python3 of 3.9 or later)", () => {
  const installed = mkdtempSync(join(tmpdir(), "lovage-python-"));
  let server: SharedServer;

  beforeAll(async () => {
    server = await shareServer();
  });

  afterAll(async () => {
    await server?.stop();
    await rm(installed, { recursive: true, force: true });
  });

  async function run(command: string, args: string[], path: string): Promise<string> {
    const env = {
      ...process.env,
      PYTHONPATH: path,
      PYTHONDONTWRITEBYTECODE: "1",
      PIP_CONFIG_FILE: "/dev/null",
      LOVAGE_URL: server.url,
      API_KEY: server.key,
    };
    const { stdout, stderr } = await promisify(execFile)(command, args, { cwd: root, env });
    return stdout + stderr;
  }

  it.skipIf(!hasPip)("is installed without a network, with its types", async () => {
    await run(python, ["-m", "pip", "install", "--no-index", "--quiet", "--target", installed, source], "");
    const script =
      "import lovage, pathlib; print(lovage.__version__, pathlib.Path(lovage.__file__).with_name('py.typed').exists())";

    expect(await run(python, ["-c", script], installed)).toBe(`${manifest.version} True\n`);
  });

  it("passes its tests, with the service at hand", async () => {
    const said = await run(python, ["-m", "unittest", "discover", "-s", join(source, "tests")], source);

    expect(said).toMatch(/Ran \d{2} tests/);
    expect(said).toMatch(/^OK$/m);
  });

  it.each(pythons.slice(1))("passes the tests that need no service in %s", async (other) => {
    expect(
      await run(other, ["-m", "unittest", "discover", "-s", join(source, "tests"), "-k", "test_client"], source),
    ).toMatch(/^OK$/m);
  });

  it("runs the samples of its README, one after the other", async () => {
    const readme = readFileSync(join(source, "README.md"), "utf8");
    const samples = [...readme.matchAll(/^```python\n([^]*?)^```$/gm)].map(([, code = ""]) => code);
    const said = await run(python, ["-c", samples.join("\n")], source);

    expect(samples).toHaveLength(8);
    expect(said).toMatch(/^2\nProcessed item tea\n/);
    expect(said).toMatch(/^100 %\nsucceeded$/m);
    expect(said).toMatch(/invalid-input \[\('\/input\/name', /);
  });
});
