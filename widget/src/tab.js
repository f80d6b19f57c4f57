import { KEEP, may } from './consent.js';
import { quietly } from './guard.js';
import { randomId } from './ids.js';
import { NAME } from './memory.js';

/** The tab's id, how many events were numbered in it, and a submission not yet confirmed. */
let known = [randomId().slice(11), '0'];

/**
 * What a tab knows outlives the page, if it may be kept: events are numbered through within a tab,
 * and the page after a form tells that the form arrived.
 * @template T
 * @param {(tab: any[]) => T} use
 */
export const inTab = (use) => {
  known = quietly(() => may(KEEP) && sessionStorage[NAME].split('.')) || known;
  const result = use(known);
  quietly(() => may(KEEP) && (sessionStorage[NAME] = known.join('.')));
  return result;
};

export const tab = () => known[0];
