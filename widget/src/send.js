import { answer, mayKeep, mayRecord, maySend } from './consent.js';
import { entitle, event, view } from './events.js';
import { later, quietly } from './guard.js';
import { NAME, recall } from './memory.js';
import { base, settings } from './settings.js';
import { become, flags, tab, visitor } from './visitor.js';

/** @typedef {import('./types').Waiting} Waiting */

const GATHER = 300;
const MOST_EVENTS = 100;
const OLDEST = 3 * 864e5;
/** All keepalive requests of a page in flight share 64 KiB; over it `fetch` rejects. */
const MOST_BYTES = 5e4;
/** The server refuses a bigger event, so it would only block those behind it. */
const BIGGEST_EVENT = 32e3;

/** A name of its own for every page: however many tabs write, none overwrites another's. */
const STORED = NAME + Math.random();

/** @type {Waiting[]} */
let waiting = [];
/** A request is on its way, or one has failed and it is too early for another. */
let busy = false;
let failures = 0;

/** @param {string} text */
export const size = (text) => new Blob([text]).size;

/**
 * @param {string} type
 * @param {object} data
 */
export const record = (type, data) => enqueue(event(type, data));

/**
 * @param {import('./types').Event_} e
 * @returns {import('./types').Event_}
 */
export function enqueue(e) {
  const alone = e.y == 'form_submit' && !maySend();
  if (alone) e.p = undefined;
  if ((alone || mayRecord()) && size(JSON.stringify(e)) < BIGGEST_EVENT) {
    waiting.push({ e, v: alone ? '' : visitor() });
    if (waiting.length > MOST_EVENTS && (failures || !maySend()))
      waiting.splice(Math.max(0, waiting.findIndex(isLight)), 1);
    secure();
    later(flush, GATHER);
  }
  return e;
}

/** @param {Waiting} one */
const isLight = ({ e }) => /^[pe]/.test(e.y); // page_view, engagement

/** What must not get lost is stored at once, everything as soon as sending has failed. */
export const secure = () =>
  mayKeep() &&
  quietly(() => {
    localStorage[STORED] = JSON.stringify(
      waiting.filter((one) => one.v && (failures || !isLight(one))),
    );
  });

/**
 * Takes over what an earlier page, or another tab, could not deliver; without the permission to
 * keep anything, it is forgotten.
 */
export function resume() {
  for (const name in localStorage)
    if (name.startsWith(NAME + 0)) {
      const text = localStorage[name];
      delete localStorage[name];
      quietly(() => waiting.push(...JSON.parse(text)));
    }
  waiting = waiting.filter(({ e }) => mayKeep() && e.t > Date.now() - OLDEST);
  secure();
  flush();
}

/** Of what waits nothing is sent. */
export const withdraw = () => (waiting = []);

/** At once: the network is back, or the page is, and a request may have died without a word. */
export function retry() {
  busy = false;
  flush();
}

/**
 * Sends what waits, one request at a time. Only a page that is being left cannot wait for the
 * answer to the last one, and sends it again with the rest: the server knows every event's id.
 *
 * A string body is `text/plain`, so no preflight is needed, for which such a page has no time. The
 * array of events is put together by hand: old libraries define `Array.prototype.toJSON`, which
 * would make a string of it. The host may have replaced `fetch` by something that throws or
 * returns nonsense.
 * @param {unknown} [leaving]
 */
export async function flush(leaving) {
  // Unless there is no time left, a page view waits until its title can have been set, and what
  // came after it waits with it: nothing overtakes the page it happened on.
  let held = false;
  const ready = waiting.filter(({ e, v }) => {
    held ||= !leaving && e == view && Date.now() - e.t < GATHER;
    return !held && (!v || maySend());
  });
  if (!ready[0] || (busy && !leaving)) return;
  const { v } = ready[0];
  let room = MOST_BYTES;
  let status;
  let wait = 0;
  // What an earlier page left may go before the view does: that must not take its title too early.
  if (ready.some(({ e }) => e == view)) entitle();
  const batch = ready.filter((one) => one.v == v && (room -= size(JSON.stringify(one.e))) > 0);
  const head = JSON.stringify({
    x: 1,
    b: BUILD,
    k: settings.key,
    t: Date.now(),
    c: answer() || 'unknown',
    f: flags(),
    ...(v && { v, s: tab() }),
  });
  const body = `${head.slice(0, -1)},"e":[${batch.map(({ e }) => JSON.stringify(e))}]}`;
  busy = true;
  try {
    const reply = await fetch(base + '/e', { method: 'POST', body, keepalive: true });
    wait = Number(reply.headers.get('Retry-After')) * 1e3;
    status = reply.status;
    const { v: known } = await reply.json();
    // The server knows a better id, from its own cookie.
    if (known) become(known, recall()[2]);
  } catch {
    // Beacons report success even where the page's policy blocks them: the last resort.
    if (leaving && !status) quietly(() => navigator.sendBeacon(base + '/e', body));
  }
  // 202 is the server's word; any other success comes from a portal or proxy in between. A refusal
  // is final, but for 408 and 429.
  if (status == 202 || /^4(?!08|29)/.test(`${status}`)) {
    waiting = waiting.filter((one) => !batch.includes(one));
    failures = 0;
  } else failures++;
  secure();
  // 3, 9, 27 … seconds, up to half as much again at random: five attempts in ten minutes.
  const backOff = 3 ** Math.min(failures, 7) * 1e3 * (1 + Math.random() / 2);
  later(retry, failures && Math.max(backOff, wait));
}
