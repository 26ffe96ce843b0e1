/**
 * Miniflare writes the runtime's configuration, with all code in it, into one buffer that grows by 4 KiB and is copied whole each
 * time: hundreds of copies of some megabytes took half of a swap. No option of Miniflare's changes how it grows.
 */

/** Copies of a smaller buffer are fast enough. */
const LARGE_BYTES = 65_536;

/** The least by which the buffer grows. */
const STEP_BYTES = 4_096;

/** From here on a large buffer that follows one a little smaller is made twice as large, so that it is seldom copied. Returns a function that ends that. */
export function growAtOnce(): () => void {
  const own = globalThis.ArrayBuffer;
  let last = 0;
  globalThis.ArrayBuffer = new Proxy(own, {
    construct(target, [length, ...more]: [number, ...unknown[]]) {
      const grown = length - last;
      const isGrowth = last > LARGE_BYTES && grown >= STEP_BYTES && grown < last && length % 8 === 0;
      last = isGrowth && more.length === 0 ? 2 * length : length;
      return Reflect.construct(target, [last, ...more]) as ArrayBuffer;
    },
  });
  return () => void (globalThis.ArrayBuffer = own);
}
