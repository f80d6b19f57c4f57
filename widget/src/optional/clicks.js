import { isAmong, linkOf, nearest } from './nearest.js';

/** What a browser saves, or hands to another program. */
const FILE =
  /\.(pdf|docx?|xlsx?|pptx?|od[tsp]|rtf|txt|csv|epub|zip|rar|7z|t?gz|bz2|xz|tar|dmg|exe|msi|pkg|deb|rpm|apk|iso|mp[34]|m4[av]|wav|ogg|flac|mov|avi|webm|mkv|ics|vcf)$/i;
const MOST_TEXT = 200;

const IGNORED = '[data-hr-ignore]';
/** Whoever writes an address into a link writes it into its text, too. */
const ADDRESSES = IGNORED + ',[*|href^="mailto:" i],[*|href^="tel:" i]';

/**
 * What an element says, but for what in it is private, and no more of it than is wanted.
 * @param {Element} element
 * @param {string} hidden a selector
 */
const textOf = (element, hidden) => {
  let text = '';
  if (nearest(element, hidden)) return text;
  // Texts are taken, elements looked into, those hidden passed over with all in them.
  const walker = document.createTreeWalker(element, 5, (/** @type {any} */ node) =>
    node.nodeType == 3 ? 1 : node.matches?.(hidden) ? 2 : 3,
  );
  while (text.length <= MOST_TEXT && walker.nextNode())
    text = (text + /** @type {Text} */ (walker.currentNode).data).replace(/\s+/g, ' ').trimStart();
  return text.slice(0, MOST_TEXT).trim();
};

/**
 * What a click is, if it is anything: something marked before a way out before a download.
 * @param {Element} target
 * @param {import('../types').Settings} settings
 * @returns {[type: string, data: Record<string, string>] | undefined}
 */
const read = (target, settings) => {
  if (nearest(target, IGNORED)) return;
  const { link, url } = linkOf(target);
  const marked = settings.marks && nearest(target, '[data-hr-event]');
  const mail = /^(mailto|tel):/.test(url?.href || '') && url;
  const element = nearest(target, 'a,button,[data-hr-event]') || target;
  const text =
    mail && !settings.addresses ? '' : textOf(element, settings.addresses ? IGNORED : ADDRESSES);
  const written = /^https?:/.test(url?.protocol || '') && url ? url.href : '';
  if (marked) return ['click', { name: marked.dataset.hrEvent, href: written, text }];
  if (!url) return;
  if (mail) {
    if (!settings.links) return;
    return ['click', { href: settings.addresses ? mail.href.split('?')[0] : mail.protocol, text }];
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
  /** What the browser clicks on by itself right after a click on its label: the same click. @type {unknown} */
  let control;
  /** @param {any} event */
  const hear = (event) => {
    try {
      const [target] = event.composedPath();
      if (target == control || !viewed() || (event.type == 'auxclick' && event.button != 1)) return;
      const found = read(target, settings);
      if (!found) return;
      record(...found);
      control = nearest(target, 'label')?.control;
      setTimeout(() => (control = 0));
    } catch {}
  };
  for (const type of ['click', 'auxclick'])
    addEventListener(type, hear, { capture: true, passive: true });
};
