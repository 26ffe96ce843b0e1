/**
 * The numbers of a task's events. An event that is derived from the task's row has a number that follows from the row alone:
 * from the run, the attempt and the place in the life of an attempt. So it has the same number wherever and whenever it is
 * derived, without a counter. The other events of an attempt take the free numbers between two of those, in the order in
 * which its progress object receives them.
 *
 * Neither the run nor the attempt ever decreases, so their sum grows with either, and stands for one pair in a task's life.
 */

/** Numbers between two places: more than there are logs, outputs, reports of progress and signals between two states. */
const ROOM = 1_000_000;

/** The places for events in the life of an attempt. Events before an attempt starts belong to the attempt before it. */
const PLACES = {
  waiting: 1,
  scheduled: 2,
  queued: 3,
  running: 4,
  cancelRequested: 5,
  after: 6,
  again: 7,
  ended: 8,
  done: 9,
} as const;

export type Place = keyof typeof PLACES;

const PLACES_PER_ATTEMPT = 10;

/**
 * The number of the event at a place. A task that starts every second for ten years is still 2.8 times below the largest
 * integer that JSON carries.
 */
export function eventNumber(run: number, attempt: number, place: Place): number {
  return ((run - 1 + attempt) * PLACES_PER_ATTEMPT + PLACES[place]) * ROOM;
}

/** Whether this is the number of an event at that place. */
export function isAt(place: Place, seq: number): boolean {
  return seq % (PLACES_PER_ATTEMPT * ROOM) === PLACES[place] * ROOM;
}

/** The number of another place in the life of the attempt that starts with the event `running`. */
export function laterInAttempt(running: number, place: Place): number {
  return running + (PLACES[place] - PLACES.running) * ROOM;
}

/** The number for an event that follows the event `last`; null where no number is left before the next place. */
export function nextNumber(last: number): number | null {
  return (last + 1) % ROOM === 0 ? null : last + 1;
}
