/** Tests that call verbs themselves, without the Worker, find the application's tasks too. */

import { register } from "../../src/engine/registry.ts";
import { application } from "../../src/app/index.ts";

register(application);
