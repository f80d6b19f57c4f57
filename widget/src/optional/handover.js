import { isAmong, linkOf } from './nearest.js';

/** Milliseconds: the server forgets a mark after two minutes. */
const GOOD = 110e3;
/** A mark is asked for when the visitor comes near a link, to have it once they click. */
const NEAR = ['pointerover', 'pointerdown', 'touchstart', 'focusin'];

/**
 * A link to another domain of the site takes the visitor along, by a mark in its address. The
 * link gets it after the page has heard of the click, for the moment in which the browser follows it;
 * no click waits for one.
 * @param {import('../types').Core} core
 */
export const handOver = ({ settings, endpoint, visitor, kept }) => {
  let mark = '';
  let askedAt = 0;
  let of = '';

  /** @param {Event} event */
  const leading = (event) => {
    const { link, url } = linkOf(/** @type {Element} */ (event.composedPath()[0]));
    return (
      url &&
      /^https?:/.test(url.protocol) &&
      url.host != location.host &&
      isAmong(url.hostname, settings.own) &&
      kept() &&
      link
    );
  };

  /** @param {Event} event */
  const prepare = async (event) => {
    if (!leading(event) || (of == visitor() && Date.now() - askedAt < GOOD)) return;
    askedAt = Date.now();
    of = visitor();
    mark = '';
    const body = JSON.stringify({ k: settings.key, v: of });
    const reply = await fetch(endpoint.slice(0, -1) + 'h/mark', { method: 'POST', body });
    mark = (await reply.json()).m || '';
  };

  /** @param {MouseEvent} event */
  const decorate = (event) => {
    const link = event.button < 2 && leading(event);
    if (!link || !mark || of != visitor() || Date.now() - askedAt > GOOD) return;
    const before = link.getAttribute('href');
    const [address, ...fragment] = before.split('#');
    const sign = address.includes('?') ? '&' : '?';
    const marked = [`${address}${sign}_hr=${mark}`, ...fragment].join('#');
    of = '';
    link.setAttribute('href', marked);
    // The browser has taken the address by then; what is copied or opened later has no mark.
    setTimeout(() => {
      if (link.getAttribute('href') == marked) link.setAttribute('href', before);
    });
  };

  /** @param {(event: any) => unknown} work */
  const quiet = (work) => async (/** @type {any} */ event) => {
    try {
      await work(event);
    } catch {}
  };
  const options = { capture: true, passive: true };
  const last = quiet((event) => event.defaultPrevented || decorate(event));
  for (const type of NEAR) addEventListener(type, quiet(prepare), options);
  // Added anew at each click, to be heard after all that the page has: what it cancels, and may
  // copy or open itself, gets no mark.
  for (const type of ['click', 'auxclick'])
    addEventListener(
      type,
      () => {
        removeEventListener(type, last);
        addEventListener(type, last);
      },
      options,
    );
};
