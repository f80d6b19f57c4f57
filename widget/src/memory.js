import { quietly } from './guard.js';
import { settings } from './settings.js';

export const NAME = 'handraise.' + settings.key;

/** What this page knows by itself: all there is where nothing can or may be stored. */
let known = '';

/**
 * All that is remembered of a visitor is one short text: what they said about consent, their id,
 * and a hash of whom they were identified as. It stands in localStorage, else in a first-party
 * cookie. Reading either throws in sandboxed frames and where cookies are blocked.
 * @returns {string[]}
 */
export const recall = () =>
  (
    quietly(() => localStorage[NAME]) ||
    quietly(() => document.cookie.split(NAME + '=')[1].split(';')[0]) ||
    known
  ).split('.');

/** What was kept while the site asked nobody: another mode must not go on with it. */
export function forget() {
  quietly(() => localStorage.removeItem(NAME));
  quietly(() => (document.cookie = NAME + '=;path=/;max-age=0'));
}

/**
 * Writing throws, too, when the host has used up its quota; a cookie (of 395 days) still fits then.
 * @param {unknown} keep
 * @param {unknown[]} parts
 */
export function remember(keep, ...parts) {
  known = parts.join('.');
  if (keep && !quietly(() => (localStorage[NAME] = known)))
    quietly(() => (document.cookie = `${NAME}=${known};path=/;samesite=lax;max-age=34128000`));
}
