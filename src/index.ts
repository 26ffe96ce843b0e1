/** This repository's Worker: Lovage with the example tasks. */

import { application } from "./app/index.ts";
import { createLovage } from "./create-lovage.ts";

export { AttemptObject, Clock, ProgressObject, RateObject } from "./lovage.ts";

export default createLovage(application);
