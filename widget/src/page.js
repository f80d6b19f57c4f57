import { leave, restart } from './engagement.js';
import { entitle, event, setView } from './events.js';
import { later, listen, quietly } from './guard.js';
import { enqueue } from './send.js';
import { settings } from './settings.js';

/** What led here: from outside once, afterwards the page view before. */
let { referrer } = document;
/** @type {string | undefined} */
let shown;

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
export function open(restored, address, title) {
  leave();
  entitle();
  restart();
  shown = place();
  const { href } = OPTIONS && address ? new URL(address, location.href) : location;
  const u = OPTIONS && settings.hash ? href : href.split('#')[0];
  /** @type {import('./types').Event_} */
  const next = {
    ...event('page_view', {
      w: innerWidth,
      sc: screen.width < 768 ? 's' : screen.width < 1280 ? 'm' : 'l',
      l: navigator.language,
      z: Intl.DateTimeFormat().resolvedOptions().timeZone,
      b: restored,
    }),
    u,
    r: referrer,
    n: OPTIONS ? title : undefined,
  };
  referrer = u;
  const excluded = OPTIONS && settings.exclude && RegExp(settings.exclude).test(location.pathname);
  setView(excluded ? undefined : enqueue(next));
}

/**
 * Waits out routers that replace and push for one navigation, and others that change the address
 * once more in the same task.
 */
const look = () =>
  later(() => {
    if (place() != shown) open();
  });

/**
 * The Navigation API tells once of each change of the address, whoever makes it, and after it has
 * happened. Without it the history's own methods have to be wrapped. A host may have frozen them:
 * then its changes are not seen.
 */
export function followNavigation() {
  if (window.navigation) return listen({ navigatesuccess: look }, window.navigation);
  for (const method of /** @type {const} */ (['pushState', 'replaceState'])) {
    const original = history[method];
    quietly(() => {
      history[method] = function (...change) {
        original.apply(this, change);
        look();
      };
    });
  }
  listen({ popstate: look });
}
