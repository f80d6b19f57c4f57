import { answer, KEEP, may, RECORD, SEND, signals } from './consent.js';
import { entitle, event, view } from './events.js';
import { later, quietly } from './guard.js';
import { NAME, OLD, recall } from './memory.js';
import { endpoint, isNear, KEY } from './settings.js';
import { tab } from './tab.js';
import { adopt, made, visitor } from './visitor.js';

/** @typedef {import('./types').Waiting} Waiting */

const GATHER = 300;
const MOST_EVENTS = 100;
const OLDEST = 3 * 864e5;
/**
 * All keepalive requests of a page in flight share 64 KiB; over it `fetch` rejects. A browser under
 * load counts one for longer than it lasts, so only a page that is being left asks for it.
 */
const MOST_BYTES = 5e4;
/** The server refuses a bigger event, so it would only block those behind it. */
const BIGGEST_EVENT = 32e3;

/** A name of its own for every page: however many tabs write, none overwrites another's. */
const STORED = NAME + Math.random();

/** @type {Waiting[]} */
let waiting = [];
/** A request is on its way, or one has failed and it is too early for another. */
/** @type {unknown} */
let busy;
let failures = 0;

/**
 * Bytes. Not a `Blob`'s, for which the browser would ask another process.
 * @param {unknown} value
 */
export const size = (value) => new TextEncoder().encode(JSON.stringify(value)).length;

/**
 * Put together by hand: it is shorter in all, and old libraries define `Array.prototype.toJSON`,
 * which would make a string of an array.
 * @param {unknown[]} list
 */
const json = (list) => `[${list.map((one) => JSON.stringify(one))}]`;

/**
 * @param {string} type
 * @param {object} data
 */
export const record = (type, data) => enqueue(event(type, data));

/**
 * @param {import('./types').Event_} e
 * @returns {import('./types').Event_}
 */
export const enqueue = (e) => {
  // A refusal that goes alone only ends the server's cookie; there is none elsewhere.
  const alone = !may(SEND) && (e.y == 'form_submit' || (OPTIONS && isNear && e.y == 'consent'));
  if ((alone || may(RECORD)) && size(e) < BIGGEST_EVENT) {
    if (alone) delete e.p;
    waiting.push({ e, v: alone ? '' : `"v":"${visitor()}","s":"${tab()}",` });
    if (failures || (OPTIONS && !may(SEND))) trim();
    secure();
  }
  later(() => {
    if (e == view) entitle();
    flush();
  }, GATHER);
  return e;
};

const trim = () => {
  while (waiting[MOST_EVENTS]) waiting.splice(Math.max(0, waiting.findIndex(isLight)), 1);
};

/** @param {Waiting} one */
const isLight = (one) => /^[pe]/.test(one.e.y); // page_view, engagement

/** What must not get lost is stored at once, everything as soon as sending has failed. */
export const secure = () =>
  may(KEEP) &&
  quietly(() => {
    localStorage[STORED] = json(waiting.filter((one) => failures || !isLight(one)));
  });

/**
 * Takes over what an earlier page, or another tab, could not deliver; without the permission to
 * keep anything, it is forgotten. Sending goes on as having failed: until it succeeds, all of it
 * stays stored.
 */
export const resume = () => {
  for (const name in localStorage)
    if (name.startsWith(NAME + 0) || (OPTIONS && OLD && name.startsWith(OLD + 0))) {
      quietly(() => waiting.push(...JSON.parse(localStorage[name])));
      delete localStorage[name];
    }
  waiting = waiting.filter((one) => may(KEEP) && Date.now() - one.e?.t < OLDEST);
  trim();
  if (waiting[0]) failures ||= 1;
  secure();
  flush();
};

/** Of what waits nothing is sent. */
export const withdraw = () => (waiting = []);

/** At once: the network is back, or the page is, and a request may have died without a word. */
export const retry = () => {
  busy = 0;
  flush();
};

/**
 * Sends what waits, one request at a time. Only a page that is being left cannot wait for the
 * answer to the last one, and sends it again with the rest: the server knows every event's id.
 *
 * A string body is `text/plain`, so no preflight is needed, for which such a page has no time. The
 * host may have replaced `fetch` by something that throws or returns nonsense.
 * @param {any} [leaving]
 */
export const flush = async (leaving) => {
  // Unless there is no time left, nothing is sent before the page view's title can have been set:
  // nothing overtakes the page it happened on.
  if (leaving) entitle();
  if ((!leaving && busy) || (view && view.n == null)) return;
  const first = waiting.find((one) => !one.v || may(SEND));
  if (!first) return;
  let room = MOST_BYTES;
  let status = 0;
  let wait = 0;
  const batch = waiting.filter((one) => one.v == first.v && (room -= size(one.e)) > 0);
  // A flag: the server may know a better id, from its cookie. It is of the batch, and not of whom
  // the page goes on as by now: it may have called `reset` meanwhile.
  const sent = first.v.slice(5, 27);
  const isNew = /** @type {any} */ (OPTIONS ? sent == made && may(KEEP) : sent == made);
  const head = `{"b":"${BUILD}","k":"${KEY}","t":${Date.now()},"c":"${answer()}","f":${isNew | signals},`;
  const body = `${head}${first.v}"e":${json(batch.map((one) => one.e))}}`;
  busy = 1;
  try {
    const reply = await fetch(endpoint, { body, keepalive: leaving, method: 'POST' });
    // A date is no number; and the browser's timers take a month for no time at all.
    wait = Math.min(/** @type {any} */ (reply.headers.get('Retry-After')) * 1e3 || 0, 1e7);
    status = reply.status;
    // Read in any case: an answer that nobody reads keeps its request's bytes among those in flight.
    if (!OPTIONS) await reply.text();
    else {
      const { v: known } = await reply.json();
      // The server knows a better id: from its own cookie, where it is on the page's origin, or
      // from a mark in the address, where another domain of the site has led here.
      if (known) {
        // Meanwhile the page may have gone on as somebody else: they stay who they are.
        if (recall()[1] == sent) adopt(known);
        for (const one of waiting) one.v = one.v.replace(sent, known);
      }
    }
  } catch {
    // Beacons report success even where the page's policy blocks them: the last resort.
    if (leaving && !status) quietly(() => navigator.sendBeacon(endpoint, body));
  }
  // 202 is the server's word; any other success comes from a portal or proxy in between. A refusal
  // is final, but for 408 and 429.
  if (/202|4(?!08|29)../.test(/** @type {any} */ (status))) {
    waiting = waiting.filter((one) => !batch.includes(one));
    failures = 0;
  } else failures++;
  secure();
  // 3, 9, 27 … seconds, up to half as much again at random: five attempts in ten minutes.
  later(
    retry,
    failures && Math.max(3 ** Math.min(failures, 7) * (2 + Math.random()) * 500, wait),
  );
};
