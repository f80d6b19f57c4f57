import { leave, restart } from './engagement.js';
import { event, show } from './events.js';
import { confirm } from './forms.js';
import { later, listen, quietly } from './guard.js';
import { enqueue } from './send.js';
import { settings } from './settings.js';

export const isManual = OPTIONS && settings.manual;

/** What led here: from outside once, afterwards the page view before. */
let referrer = document.referrer;
/** The place of the current page view. @type {string | undefined} */
let shown;

/** The address with a mark in it, until the server is told it, with the first view. */
let marked = '';

/**
 * A mark is good once, so nobody should keep or share an address with one.
 */
export const arrive = () => {
  const { href } = location;
  if (!/[?&]_hr=/.test(href)) return;
  const clean = href.replace(/([?&])_hr=[^&#]*&?/, '$1').replace(/[?&](?=#|$)/, '');
  marked = href;
  quietly(() => history.replaceState(history.state, '', clean));
};

/** The part of the address whose change makes another page. */
const place = OPTIONS
  ? () =>
      location.pathname +
      (settings.search ? location.search : '') +
      (settings.hash ? location.hash : '')
  : () => location.pathname;

/**
 * Begins a page view and ends the one before. Its address is frozen here, for what happens on it
 * may be told after the address has changed.
 * @param {number} [restored] 1 if it is back from the back/forward cache
 * @param {string} [address]
 * @param {string} [title]
 */
export const open = (restored, address, title) => {
  leave();
  show();
  restart();
  shown = place();
  // Before it gets a number: nothing is missing where nothing is counted.
  if (OPTIONS && settings.exclude && RegExp(settings.exclude).test(location.pathname))
    return confirm(1);
  const next = event('page_view', {
    w: innerWidth,
    sc: 'sml'[/** @type {any} */ (screen.width > 767) + (screen.width > 1279)],
    l: navigator.language,
    // Where there is no Temporal the name costs some 30 ms: the first Intl loads its tables.
    z: quietly(() => Temporal.Now.timeZoneId()) || Intl.DateTimeFormat().resolvedOptions().timeZone,
    b: restored,
  });
  if (OPTIONS && marked) {
    next.u = marked;
    marked = '';
  }
  if (OPTIONS && address) next.u = new URL(address, location.href).href;
  if (!OPTIONS || !settings.hash) next.u = next.u.split('#')[0];
  if (OPTIONS) next.n = title;
  next.r = referrer;
  referrer = next.u;
  show(enqueue(next));
  confirm(next.u.split('?')[0] != next.r.split('?')[0]);
};

/**
 * Waits out routers that replace and push for one navigation, and others that change the address
 * once more in the same task.
 * @type {(done?: unknown) => void}
 */
export const look = () =>
  later(() => {
    if (shown && place() != shown && !isManual) open();
  });

/**
 * The Navigation API tells once of each change of the address, whoever makes it, and after it has
 * happened. Without it the history's own methods have to be wrapped. A host may have frozen them:
 * then its changes are not seen.
 */
export const followNavigation = () => {
  if (window.navigation) return listen(window.navigation);
  for (const method of /** @type {const} */ (['pushState', 'replaceState'])) {
    const original = history[method];
    history[method] = (...change) => {
      look(original.apply(history, change));
    };
  }
};
