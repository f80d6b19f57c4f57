import { eventId } from './ids.js';
import { quietly } from './guard.js';

const LONGEST_TITLE = 300;

/**
 * The page view that whatever happens now happens on: none on excluded pages, and in manual mode
 * until the page says so.
 * @type {import('./types').Event_ | undefined}
 */
export let view;

/** When a call was made that had to wait for the widget. */
let calledAt = 0;
let number = 0;

/** @param {typeof view} next */
export const setView = (next) => (view = next);

/**
 * @param {number} time
 * @param {() => void} work
 */
export function asOf(time, work) {
  calledAt = time;
  quietly(work);
  calledAt = 0;
}

/**
 * The data is copied: the host may change what it has handed over before it is sent.
 * @param {string} type
 * @param {object} data
 * @returns {import('./types').Event_}
 */
export const event = (type, data) => ({
  i: eventId(),
  y: type,
  t: calledAt || Date.now(),
  u: view?.u || location.href,
  p: view?.i,
  q: ++number,
  d: JSON.parse(JSON.stringify(data)),
});

/**
 * Frameworks set the title after they change the address, so it is read as late as possible: when
 * the page view is sent, or when the next one begins.
 */
export function entitle() {
  if (view) view.n ??= document.title.slice(0, LONGEST_TITLE);
}
