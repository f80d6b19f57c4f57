// `currentScript` is null for a tag that a tag manager evaluates: then the tag is found by its
// address.
const script = /** @type {HTMLScriptElement} */ (
  document.currentScript || document.querySelector(OPTIONS ? 'script[data-key],[src*="/h/"]' : '[src*="/h/"]')
);

/** @type {Partial<import('./types').Settings>} */
export const settings = OPTIONS ? { ...SETTINGS, ...script.dataset } : SETTINGS;

/** Where the server is: the script's own address without `/h.js` or `/h/KEY.js`. */
export const base =
  (OPTIONS && settings.host) || script.src.split(OPTIONS ? /\/h(?:\/[^/]*)?\.js/ : '/h/')[0];
