/** The API reference: Swagger UI over the service's own document. A key that is entered stays in this tab's memory. */

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

function followColorScheme(): void {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

followColorScheme();
dark.addEventListener("change", followColorScheme);

SwaggerUI({
  url: "./openapi.json",
  domNode: document.querySelector("#reference")!,
  validatorUrl: null,
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
});
