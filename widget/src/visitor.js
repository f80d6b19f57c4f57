import { answer, KEEP, may } from './consent.js';
import { hashOf, randomId } from './ids.js';
import { recall, remember } from './memory.js';

/** The visitor id that this page had to make, for want of a stored one. @type {unknown} */
export let made;

/** A visitor id that is kept, if that is allowed; else one that lives as long as the page. */
export const visitor = () => {
  if (!recall()[1]) become(/** @type {string} */ (made = randomId()));
  return recall()[1];
};

/**
 * Without an id: somebody new.
 * @param {string} [id]
 * @param {unknown} [person]
 */
export const become = (id = randomId(), person) => remember(may(KEEP), answer(), id, person);

/** Whom this page has named last. @type {unknown} */
let named;

/**
 * The server knows a better id for the same visitor. The hash is made again with it, where this
 * page has the name; else it stays, and whoever is named next begins anew.
 * @param {string} id
 */
export const adopt = (id) => {
  const [, , person] = recall();
  const same = person == hashOf(visitor() + named);
  become(id, same ? hashOf(id + named) : person);
};

/**
 * Whom this browser was last identified as is remembered only as a short hash, salted with the
 * visitor id: enough to notice somebody else, too little to find out who. Somebody else begins as
 * a new visitor, and the history before stays with whom it belongs to.
 * @param {unknown} name
 */
export const meet = (name) => {
  if (OPTIONS) named = name;
  const person = recall()[2];
  if (person && person != hashOf(visitor() + name)) become();
  become(visitor(), hashOf(visitor() + name));
};
