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

const objection =
  (navigator.globalPrivacyControl ? 4 : 0) | (navigator.doNotTrack == '1' ? 8 : 0);

/** Bits of the wire's flags. */
export const signals = objection | (navigator.webdriver ? 2 : 0);

/** `granted`, `denied` or empty. Asked anew each time: it may have been given in another tab. */
export const answer = () => recall()[0];

function allowance() {
  if (answer()) return answer() == 'granted' ? FULL : SUBMISSIONS;
  if (objection && settings.gpc != 0) return SUBMISSIONS;
  return settings.consent == 'off' ? WAIT : settings.consent == 'ask' ? COOKIELESS : FULL;
}

/** May more than submissions be recorded, for now or for later? */
export const mayRecord = OPTIONS
  ? () => allowance() > SUBMISSIONS
  : () => (answer() ? answer() == 'granted' : !objection);
// In the default configuration what may be recorded may be sent and kept as well.
export const maySend = OPTIONS ? () => allowance() > WAIT : mayRecord;
export const mayKeep = OPTIONS ? () => allowance() == FULL : mayRecord;
