/** Where the service's own addresses begin: at the root, or below the path that the application mounts it at. */

let mountedAt = "";

/** Set once, when the code is loaded: `""`, or a path such as `/jobs`. Every isolate of a deployment sets the same path. */
export function mountAddresses(path: string): void {
  mountedAt = path;
}

/** The address, from the host's root on, of the service's `path`. */
export function addressOf(path: string): string {
  return mountedAt + path;
}
