import { run } from './api.js';
import { answer, mayKeep } from './consent.js';
import { followEngagement, leave, tick } from './engagement.js';
import { followForms } from './forms.js';
import { listen, quietly } from './guard.js';
import { forget } from './memory.js';
import { followNavigation, open } from './page.js';
import { flush, resume, retry } from './send.js';
import { settings } from './settings.js';

/** @typedef {import('./types').Call} Call */

const stub = window.handraise;
/** @type {Call[]} */
const calls = stub?.q || [];
const isManual = OPTIONS && settings.manual;
let begun = false;

function depart() {
  leave();
  flush(1);
}

/**
 * Nothing is read, stored or sent before somebody sees the page: a prerendered page or one opened
 * in a background tab may never be looked at.
 */
function begin() {
  if (begun || document.prerendering || document.hidden) return;
  begun = true;
  if (OPTIONS && !mayKeep() && !answer()) forget();
  quietly(resume);
  // Before the page view, for a refusal among the calls must leave no trace.
  calls.forEach(run);
  if (!isManual) open();
  if (!isManual) followNavigation();
  followEngagement();
  followForms();
  listen({
    pagehide: depart,
    online: retry,
    pageshow({ persisted }) {
      if (!persisted) return;
      retry();
      if (!isManual) open(1);
    },
  });
}

// A second copy of the tag, or the same one run again by Turbo and its like, does nothing. Nor does
// a frame, unless wanted.
if (!stub?.b && (window == parent || (OPTIONS && settings.frames))) {
  const api = (/** @type {[string, ...any[]]} */ ...call) => {
    if (begun) run([0, ...call]);
    else calls.push([Date.now(), ...call]);
  };
  api.b = BUILD;
  window.handraise = api;
  listen({
    visibilitychange() {
      begin();
      if (begun) document.hidden ? depart() : tick();
    },
    prerenderingchange: begin,
  });
  begin();
}
