/**
 * The nearest element from here outwards that matches, also where a shadow root lies between.
 * @param {Element | undefined} element
 * @param {string} selector
 * @returns {any}
 */
export const nearest = (element, selector) =>
  element &&
  (element.closest(selector) ||
    nearest(/** @type {ShadowRoot} */ (element.getRootNode()).host, selector));

/**
 * The link somebody has clicked in. A link in a drawing has its address one level deeper, and any
 * may hold one that is none.
 * @param {Element} target
 * @returns {{ link?: any, url?: URL }}
 */
export const linkOf = (target) => {
  const link = nearest(target, 'a[*|href],area[href]');
  try {
    return { link, url: new URL(link.href.baseVal ?? link.href, document.baseURI) };
  } catch {
    return { link };
  }
};

/** @param {string} host */
const bare = (host) => host.replace(/^www\./, '');

/**
 * Whether a host is one of these, by the server's own rule: `www.` makes no difference, and `*.`
 * stands for all below a name, but not for the name.
 * @param {string} host
 * @param {unknown} list an array, or text with commas as attributes have it
 */
export const isAmong = (host, list) =>
  `${list || ''}`.split(',').some((one) => {
    const own = one.trim();
    return own.startsWith('*.') ? host.endsWith(own.slice(1)) : own && bare(own) == bare(host);
  });
