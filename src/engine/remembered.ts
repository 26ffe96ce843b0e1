/** A map whose entries live for `ms` at most, and of which it keeps the `max` that were set last. */
export class Remembered<Value> {
  readonly #values = new Map<string, { value: Value; until: number }>();
  readonly #ms: number;
  readonly #max: number;

  constructor(ms: number, max: number) {
    this.#ms = ms;
    this.#max = max;
  }

  get(name: string, now: number): Value | undefined {
    const found = this.#values.get(name);
    return found && found.until > now ? found.value : undefined;
  }

  set(name: string, value: Value, now: number): void {
    this.#values.delete(name);
    this.#values.set(name, { value, until: now + this.#ms });
    if (this.#values.size > this.#max) this.#values.delete(this.#values.keys().next().value!);
  }

  delete(name: string): void {
    this.#values.delete(name);
  }
}
