/** Whatever a deployment binds: programs that run in Node only read the types of tasks. */
interface Env {
  // oxlint-disable-next-line typescript/no-explicit-any
  [binding: string]: any;
}
