/** What this page uses of Swagger UI, which comes without types: https://swagger.io/docs/open-source-tools/swagger-ui/usage/configuration/ */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  export default function SwaggerUI(options: {
    url: string;
    domNode: Element;
    /** Null: no badge of a validator elsewhere. */
    validatorUrl: null;
    deepLinking: boolean;
    tryItOutEnabled: boolean;
    displayRequestDuration: boolean;
    defaultModelsExpandDepth: number;
    tagsSorter?: "alpha";
  }): void;
}
