/** The dashboard: what tasks do, why they wait, and how to act on them. It uses the public API and nothing else. */

import { render } from "preact";
import { Shell } from "./shell/shell.tsx";

render(<Shell />, document.querySelector("#dashboard")!);
