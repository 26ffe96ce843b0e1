/** The service's own description, as the tests that are derived from it read it. */

export type Json = Record<string, unknown>;

export type Parameter = { name: string; in: "path" | "query" | "header"; required?: boolean; schema: Json };

export type Response = { content?: Record<string, { schema: Json }>; $ref?: string };

export type Operation = {
  operationId: string;
  method: string;
  path: string;
  tags: string[];
  summary?: string;
  security: Record<string, string[]>[];
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: Record<string, { schema: Json; example?: unknown }> };
  responses: Record<string, Response>;
};

export type Document = Json & {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  webhooks: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json>; responses: Record<string, Response> };
};

export async function readDocument(url: string): Promise<Document> {
  return (await (await fetch(`${url}/openapi.json`)).json()) as Document;
}

/** Every operation, with the method and the path under which the document has it. */
export function operationsOf(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  );
}

/** The response that the document declares for a status; undefined where it declares none. */
export function responseOf(document: Document, operation: Operation, status: number): Response | undefined {
  const declared = operation.responses[String(status)];
  return declared?.$ref === undefined ? declared : document.components.responses[declared.$ref.split("/").at(-1)!];
}
