/**
 * openapi-typescript needs the compiler API that TypeScript 7 no longer has. Imported first (`node --import`), this file
 * becomes its `typescript`: the one that ts-morph carries.
 */
import { registerHooks } from "node:module";
import { ts } from "@ts-morph/common";

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "typescript" ? { url: import.meta.url, shortCircuit: true } : next(specifier, context),
});

export default ts;
