import { isAmong, linkOf, nearest } from './nearest.js';

/** What a browser saves, or hands to another program. */
const FILE =
  /\.(pdf|docx?|xlsx?|pptx?|od[tsp]|rtf|txt|csv|epub|zip|rar|7z|t?gz|bz2|xz|tar|dmg|exe|msi|pkg|deb|rpm|apk|iso|mp[34]|m4[av]|wav|ogg|flac|mov|avi|webm|mkv|ics|vcf)$/i;
const MOST_TEXT = 200;

/** @param {Element} element */
const textOf = (element) =>
  (element.textContent || '').trim().replace(/\s+/g, ' ').slice(0, MOST_TEXT);

/**
 * What a click is, if it is anything: something marked before a way out before a download.
 * @param {Element} target
 * @param {import('../types').Settings} settings
 * @returns {[type: string, data: Record<string, string>] | undefined}
 */
const read = (target, settings) => {
  if (nearest(target, '[data-hr-ignore]')) return;
  const { link, url } = linkOf(target);
  const marked = settings.marks && nearest(target, '[data-hr-event]');
  const text = textOf(nearest(target, 'a,button,[data-hr-event]') || target);
  const written = /^https?:/.test(url?.protocol || '') && url ? url.href : '';
  if (marked) return ['click', { name: marked.dataset.hrEvent, href: written, text }];
  if (!url) return;
  if (/^(mailto|tel):/.test(url.href)) {
    if (!settings.links) return;
    // Whoever writes an address into a link writes it into its text, too.
    const [address] = url.href.split('?');
    return ['click', settings.addresses ? { href: address, text } : { href: url.protocol, text: '' }];
  }
  const { hostname } = location;
  const leaves = written && !isAmong(url.hostname, [hostname, settings.own]);
  if (settings.links && leaves) return ['click', { href: written, text }];
  if (settings.downloads && (link.hasAttribute('download') || FILE.test(url.pathname)))
    return ['download', { href: written, text }];
};

/**
 * The middle button opens a tab, and tells of it by another event; the right one opens a menu.
 * Listeners capture and are passive: they see what the page stops, and hold nothing up.
 * @param {import('../types').Core} core
 */
export const followClicks = ({ settings, record, viewed }) => {
  /** @param {any} event */
  const hear = (event) => {
    try {
      if (!viewed() || (event.type == 'auxclick' && event.button != 1)) return;
      const found = read(event.composedPath()[0], settings);
      if (found) record(...found);
    } catch {}
  };
  for (const type of ['click', 'auxclick'])
    addEventListener(type, hear, { capture: true, passive: true });
};
