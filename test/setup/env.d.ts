/** What the tests inside the Workers runtime have beside the Worker's own bindings. */
declare namespace Cloudflare {
  interface Env {
    TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
  }
  interface GlobalProps {
    mainModule: typeof import("../../src/index.ts");
  }
}

declare module "*.md?raw" {
  const text: string;
  export default text;
}
