/** The application that this repository deploys. */

import type { Application } from "../lovage.ts";
import { fixtures } from "./fixtures/index.ts";
import { tasks } from "./tasks/index.ts";
import { routes } from "./routes.ts";
import { schedules } from "./schedules.ts";

export const application: Application = { tasks, fixtures, schedules, routes };
