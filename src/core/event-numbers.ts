/**
 * The numbers of a task's events. What comes out of the task's row has its number from the row alone: the run, the attempt
 * and the place in the life of an attempt. So whoever derives such an event, whenever, gives it the same number, and
 * nothing is counted anywhere. What an attempt tells besides takes the numbers that are left between two of those, in
 * the order in which its progress object hears of it.
 *
 * Neither the run nor the attempt ever falls, so their sum grows with either, and stands for one pair in a task's life.
 */

/** Between two places: more than the logs, outputs, reports of progress and signals that come between two states. */
const ROOM = 1_000_000;

/** Where an attempt's life has places for events; those before it starts are of the attempt before. */
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

/** The number for something that was told after the event `last`; null where no number is left before the next place. */
export function nextNumber(last: number): number | null {
  return (last + 1) % ROOM === 0 ? null : last + 1;
}
