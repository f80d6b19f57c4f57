// `currentScript` is null for a tag that a tag manager evaluates: then the tag is found by its
// address.
const script = /** @type {HTMLScriptElement} */ (
  document.currentScript ||
    document.querySelector(OPTIONS ? 'script[data-key],script[src*="/h/"]' : 'script[src*="/h/"]')
);

/**
 * The default configuration is nothing but a key, and only that is written into its file.
 * @type {Partial<import('./types').Settings>}
 */
export const settings = OPTIONS ? { ...SETTINGS, ...script.dataset } : {};
/** The site's. */
export const KEY = OPTIONS ? settings.key : SETTINGS;

/** Where events go: beside the script, at its own address without `/h.js` or `/h/KEY.js`. */
export const endpoint =
  ((OPTIONS && settings.host) ||
    script.src.split(OPTIONS ? /\/h(?:\/[^/]*)?\.js/ : '/h/')[0]) + '/e';

/** On the page's own origin, where the server mirrors the visitor id in a cookie. */
export const isNear = OPTIONS && (settings.mirror || endpoint.startsWith(location.origin + '/'));
