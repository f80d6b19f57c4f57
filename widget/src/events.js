import { quietly } from './guard.js';
import { eventId } from './ids.js';
import { inTab } from './tab.js';

/**
 * The page view that whatever happens now happens on: none on excluded pages, and in manual mode
 * until the page says so.
 * @type {import('./types').Event_ | undefined}
 */
export let view;

/** When a call was made that had to wait for the widget. */
let calledAt = 0;

/**
 * @param {number} time
 * @param {() => void} work
 */
export const asOf = (time, work) => {
  calledAt = time;
  quietly(work);
  calledAt = 0;
};

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
  q: inTab((tab) => ++tab[1]),
  d: JSON.parse(JSON.stringify(data)),
});

/**
 * Ends the page view before.
 * @param {typeof view} [next]
 */
export const show = (next) => {
  entitle();
  view = next;
};

/**
 * Frameworks set the title after they change the address, so it is read as late as possible: when
 * the page view is sent, or when the next one begins.
 */
export const entitle = () => {
  if (view) view.n ??= document.title;
};
