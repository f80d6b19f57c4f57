import { run } from './api.js';
import { answer, KEEP, may, pending } from './consent.js';
import { leave, tick, watch } from './engagement.js';
import { quietly } from './guard.js';
import { forget, OLD, recall, remember } from './memory.js';
import { addOptional } from './optional.js';
import { arrive, followNavigation, isManual, open } from './page.js';
import { flush, resume, retry } from './send.js';
import { settings } from './settings.js';

/** @typedef {import('./types').Call} Call */

export const stub = window.handraise;
/** @type {{ push(call: Call): unknown, forEach?(run: (call: Call) => void): void }} */
let calls = stub?.q || [];

/** What the page calls; until somebody sees the page, calls wait with their times. */
export const api = (/** @type {[string, ...any[]]} */ ...call) =>
  calls.push([Date.now(), ...call]);
api.b = BUILD;
// For whoever has kept the stub, which pushes to what it finds here.
api.q = { push: (/** @type {Call} */ call) => calls.push(call) };

export const depart = () => {
  leave();
  flush(1);
};

/**
 * Nothing is read, stored or sent before somebody sees the page: a prerendered page or one opened
 * in a background tab may never be looked at. Nor is anything while the file is run: the first
 * look into a storage may take longer than all else, so the page goes on before, until the next
 * task or whatever is heard first.
 */
export const wake = () => {
  const early = calls;
  if (early.forEach && !document.prerendering && !document.hidden) {
    calls = { push: run };
    // What is kept stays as it is until it is known whether it may be used.
    if (!OPTIONS || !pending()) {
      if (OPTIONS && !may(KEEP) && !answer()) forget();
      // From here on also under the new name: after the next rotation the old one is not asked.
      else if (OPTIONS && OLD) remember(1, ...recall());
      quietly(resume);
    }
    if (OPTIONS && settings.handover) arrive();
    // Before the page view, for a refusal among the calls must leave no trace.
    early.forEach(run);
    if (!isManual) open();
    followNavigation();
    watch();
    if (OPTIONS) addOptional();
  }
};

export const turn = () => (document.hidden ? depart() : tick());

/** @param {PageTransitionEvent} event */
export const comeBack = ({ persisted }) => {
  if (!persisted) return;
  retry();
  if (!isManual) open(1);
};
