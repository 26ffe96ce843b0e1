/** Bindings of any type: programs that run in Node only use the types of tasks. */
interface Env {
  // oxlint-disable-next-line typescript/no-explicit-any
  [binding: string]: any;
}
