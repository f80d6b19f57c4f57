import { recall } from './memory.js';
import { settings } from './settings.js';

// How much may be sent and kept, in rising order.
/** A form the visitor submits, and nothing else: no visitor, no history. */
const SUBMISSIONS = 0;
/** The same; events wait in memory for an answer. */
const WAIT = 1;
/** Everything is sent, nothing is kept: the visitor id lives as long as the page. */
const COOKIELESS = 2;
const FULL = 3;

const said = /** @type {any} */ (navigator);
const objection =
  (said.globalPrivacyControl << 2) | (/** @type {any} */ (said.doNotTrack == 1) << 3);

/** Bits of the wire's flags. */
export const signals = objection | (said.webdriver << 1);

/** `granted`, `denied` or empty. Asked anew each time: it may have been given in another tab. */
export const answer = () => recall()[0];

const allowance = () => {
  if (answer()) return answer() == 'granted' ? FULL : SUBMISSIONS;
  if (objection && settings.gpc != 0) return settings.count ? COOKIELESS : SUBMISSIONS;
  // `off` and `tcf`.
  return /f/.test(settings.consent || '') ? WAIT : settings.consent == 'ask' ? COOKIELESS : FULL;
};

/** Whether the consent manager may yet say that nobody need be asked. */
export const pending = () => settings.consent == 'tcf' && allowance() == WAIT;

export const RECORD = 1;
export const SEND = 2;
export const KEEP = 3;
export const may = OPTIONS
  ? (/** @type {number} */ level) => allowance() >= level
  : () => (answer() ? answer() == 'granted' : !objection);
