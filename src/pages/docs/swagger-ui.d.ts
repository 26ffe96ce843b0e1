/** The part of Swagger UI that this page uses; it has no types: https://swagger.io/docs/open-source-tools/swagger-ui/usage/configuration/ */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  export default function SwaggerUI(options: {
    url: string;
    domNode: Element;
    /** Null: no badge of an external validator. */
    validatorUrl: null;
    deepLinking: boolean;
    tryItOutEnabled: boolean;
    displayRequestDuration: boolean;
    defaultModelsExpandDepth: number;
    tagsSorter?: "alpha";
  }): void;
}
