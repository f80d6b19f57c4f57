import { answer, mayKeep, signals } from './consent.js';
import { quietly } from './guard.js';
import { hashOf, randomId } from './ids.js';
import { NAME, recall, remember } from './memory.js';

/** 1 as long as the visitor id is one that this page had to make, for want of a stored one. */
let fresh = 0;
const ownTab = randomId(8);

/** A visitor id that is kept, if that is allowed; else one that lives as long as the page. */
export function visitor() {
  if (!recall()[1]) {
    become(randomId(16));
    fresh = +mayKeep();
  }
  return recall()[1];
}

/**
 * @param {string} id
 * @param {unknown} [person]
 */
export function become(id, person) {
  remember(mayKeep(), answer(), id, person);
  fresh = 0;
}

export const flags = () => fresh | signals;

/** The tab's id outlives the page. */
export const tab = () =>
  (mayKeep() && quietly(() => (sessionStorage[NAME] ||= ownTab))) || ownTab;

/**
 * Whom this browser was last identified as is remembered only as a short hash, salted with the
 * visitor id: enough to notice somebody else, too little to find out who. Somebody else begins as
 * a new visitor, and the history before stays with whom it belongs to.
 * @param {unknown} name
 */
export function meet(name) {
  const mark = () => hashOf(visitor() + name);
  const [, , person] = recall();
  if (person && person != mark()) become(randomId(16));
  remember(mayKeep(), answer(), visitor(), mark());
}
