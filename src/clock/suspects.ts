/**
 * Attempts whose lease has expired, before they are rescued. A heartbeat that D1 did not answer looks like a crash, so
 * an attempt is rescued only where its lease is still the same some time after the first look that D1 answered. Kept in
 * the memory of the clock's object: what is lost with it is noted again.
 */

/** From the look that finds a lease expired until the look that may rescue. */
export const RESCUE_CONFIRM_MS = 2_500;

/** The same after D1 was slow or silent: every worker retries its heartbeat within this. */
export const RESCUE_DOUBT_MS = 10_000;

/** A D1 that is always slow does not delay a rescue for longer. */
const MAX_DOUBT_MS = 60_000;

/** The columns of a running row that decide about a rescue. */
export interface Leased {
  id: string;
  attempt: number;
  leaseUntil: number | null;
}

interface Suspect {
  attempt: number;
  leaseUntil: number | null;
  foundAt: number;
  /** When it may be rescued, in ms since the epoch. */
  ripeAt: number;
}

export class Suspects {
  readonly #byId = new Map<string, Suspect>();
  #isShaken = false;
  #patientUntil = 0;

  /**
   * Returns those of `rows`, whose leases have all expired, that may be rescued at `now`, and notes the others. A lease that
   * ended by `bootAt` belongs to a process that is known to be gone. Instants are ms since the epoch.
   */
  confirm<Row extends Leased>(rows: readonly Row[], now: number, bootAt: number): Row[] {
    if (this.#isShaken) this.#patientUntil = now + RESCUE_DOUBT_MS;
    this.#isShaken = false;
    const ripe = rows.filter((row) => this.isRipe(row, now, bootAt));
    for (const row of rows) if (!this.#known(row)) this.#note(row, now);
    for (const { id } of ripe) this.#byId.delete(id);
    return ripe;
  }

  /** Whether a look at `now` may rescue this attempt, whose lease has expired. */
  isRipe(row: Leased, now: number, bootAt: number): boolean {
    if (row.leaseUntil !== null && row.leaseUntil <= bootAt) return true;
    return (this.#known(row)?.ripeAt ?? Infinity) <= now;
  }

  /** Ids that need not be looked at yet. */
  unripe(now: number): string[] {
    return [...this.#byId].filter(([, suspect]) => suspect.ripeAt > now).map(([id]) => id);
  }

  /** When to look again, in ms since the epoch; null where nothing is suspect. */
  nextAt(): number | null {
    return this.#byId.size === 0 ? null : Math.min(...[...this.#byId.values()].map((suspect) => suspect.ripeAt));
  }

  /** Forgets the ripe suspects, after a look at every due row: those that were not confirmed have a new lease, or have ended. */
  clear(now: number): void {
    for (const [id, suspect] of this.#byId) if (suspect.ripeAt <= now) this.#byId.delete(id);
  }

  /** Delays rescues because D1 or this isolate was slow: heartbeats may have been late as well. */
  doubt(now: number): void {
    this.#patientUntil = now + RESCUE_DOUBT_MS;
    for (const suspect of this.#byId.values()) {
      const later = Math.max(suspect.ripeAt, this.#patientUntil);
      suspect.ripeAt = Math.min(later, suspect.foundAt + MAX_DOUBT_MS);
    }
  }

  /** Forgets all suspects because D1 was silent; the delay of rescues begins when it answers again. */
  forget(): void {
    this.#isShaken = true;
    this.#byId.clear();
  }

  #known({ id, attempt, leaseUntil }: Leased): Suspect | undefined {
    const suspect = this.#byId.get(id);
    return suspect?.attempt === attempt && suspect.leaseUntil === leaseUntil ? suspect : undefined;
  }

  #note({ id, attempt, leaseUntil }: Leased, now: number): void {
    const ripeAt = Math.max(now + RESCUE_CONFIRM_MS, this.#patientUntil);
    this.#byId.set(id, { attempt, leaseUntil, foundAt: now, ripeAt });
  }
}
