/** The views, in the order of the navigation. */

import type { FunctionComponent } from "preact";
import type { Scope } from "../../../contract/scope.ts";
import { ErrorsView } from "../errors/errors-view.tsx";
import { FlowsView } from "../flows/flows-view.tsx";
import { InboxView } from "../inbox/inbox-view.tsx";
import { KeysView } from "../keys/keys-view.tsx";
import { LimitsView } from "../limits/limits-view.tsx";
import { NowView } from "../now/now-view.tsx";
import { SchedulesView } from "../schedules/schedules-view.tsx";
import { SubmitView } from "../submit/submit-view.tsx";
import { TasksView } from "../tasks/tasks-view.tsx";
import { WebhooksView } from "../webhooks/webhooks-view.tsx";

export interface View {
  name: string;
  title: string;
  show: FunctionComponent;
  /** The scope without which it shows nothing. */
  scope?: Scope;
}

export const VIEWS: readonly View[] = [
  { name: "now", title: "Now", show: NowView, scope: "read" },
  { name: "tasks", title: "Tasks", show: TasksView, scope: "read" },
  { name: "flows", title: "Flows", show: FlowsView, scope: "read" },
  { name: "errors", title: "Errors", show: ErrorsView, scope: "read" },
  { name: "inbox", title: "Inbox", show: InboxView, scope: "read" },
  { name: "schedules", title: "Schedules", show: SchedulesView, scope: "read" },
  { name: "limits", title: "Limits", show: LimitsView, scope: "read" },
  { name: "webhooks", title: "Webhooks", show: WebhooksView, scope: "admin" },
  { name: "keys", title: "Keys", show: KeysView, scope: "admin" },
  { name: "submit", title: "Submit", show: SubmitView, scope: "submit" },
];

export function viewOf(name: string): View | undefined {
  return VIEWS.find((view) => view.name === name);
}
