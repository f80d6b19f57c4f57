import { on } from './heard.js';
import { wake } from './life.js';

/**
 * Whatever goes wrong in here stays in here: the host page must never see an error of ours.
 * @template T
 * @param {() => T} work
 * @returns {T | undefined}
 */
export const quietly = (work) => {
  try {
    return work();
  } catch {}
};

/**
 * @param {() => void} work
 * @param {number} [delay]
 */
export const later = (work, delay) => setTimeout(quietly, delay, work);

/** @param {Event} event */
const hear = (event) =>
  quietly(() => {
    wake();
    on[event.type](event);
  });

/**
 * Every listener captures, so that it also sees what a host handler stops, and is passive, so that
 * it can neither cancel anything nor delay a scroll. Events of the document pass through the
 * window too. To listen twice to one target is to listen once.
 * @param {EventTarget} target
 */
export const listen = (target) => {
  for (const type in on)
    target.addEventListener(type, hear, /** @type {any} */ ({ capture: 1, passive: 1 }));
};
