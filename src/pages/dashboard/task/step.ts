/** A step of a task, as the page draws it. */

export interface Step {
  name: string;
  kind: string;
  startedAt: string;
  finishedAt: string | null;
  error: { type: string; message: string } | null;
  undoneAt?: string | null | undefined;
  undoError?: { type: string; message: string } | null | undefined;
}
