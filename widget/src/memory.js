import { quietly } from './guard.js';
import { KEY, settings } from './settings.js';

export const NAME = 'handraise.' + KEY;
/**
 * The name under the key before, while the server knows of one. Pages with either tag then share
 * what they know: it is read here first, and written under both names.
 */
export const OLD = OPTIONS && settings.was ? 'handraise.' + settings.was : '';

/** What this page knows by itself: all there is where nothing can or may be stored. */
let known = '';
/**
 * The same where something is stored that must not be written over yet, while a consent manager is
 * waited for: somebody else must not go on as who was here before. @type {unknown}
 */
let ahead;

/**
 * In the small build there is one name; told so, it writes it down where it is used: 12 bytes less.
 * @param {string} name
 */
const read = (name) =>
  quietly(() => localStorage[OPTIONS ? name : NAME]) ||
  quietly(() => document.cookie.split((OPTIONS ? name : NAME) + '=')[1].split(';')[0]);

/**
 * Writing throws, too, when the host has used up its quota; a cookie (of 395 days) still fits then,
 * and nothing older may stand before it.
 * @param {string} name
 */
const write = (name) =>
  quietly(
    () =>
      delete localStorage[OPTIONS ? name : NAME] &&
      (localStorage[OPTIONS ? name : NAME] = known),
  ) ||
  quietly(
    () =>
      (document.cookie = `${OPTIONS ? name : NAME}=${known};path=/;samesite=lax;max-age=34128000`),
  );

const stored = () => (OPTIONS && OLD && read(OLD)) || read(NAME);

/**
 * All that is remembered of a visitor is one short text: what they said about consent, their id,
 * and a hash of whom they were identified as. It stands in localStorage, else in a first-party
 * cookie. Reading either throws in sandboxed frames and where cookies are blocked.
 * @returns {string[]}
 */
export const recall = () => ((OPTIONS && ahead) || stored() || known).split('.');

/**
 * @param {unknown} keep
 * @param {unknown[]} parts
 */
export const remember = (keep, ...parts) => {
  known = parts.join('.');
  if (OPTIONS) ahead = !keep && stored() && known;
  if (keep) write(NAME);
  if (OPTIONS && OLD && keep) write(OLD);
};

/** What was kept while the site asked nobody: another mode must not go on with it. */
export const forget = () => {
  for (const name of [NAME, OLD])
    if (name && read(name)) {
      quietly(() => localStorage.removeItem(name));
      quietly(() => (document.cookie = name + '=;path=/;max-age=0'));
    }
};
