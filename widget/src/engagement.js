import { view } from './events.js';
import { record } from './send.js';

/** Milliseconds seen and focused on this page view. */
let spent = 0;
/** Since when the clock runs; 0: it stands. */
let since = 0;
/** Pixels: the lowest line that was on the screen, and the height of the page. */
let depth = 0;
let height = 0;
/** What was told last: leaving comes as two or three events, and is told once. */
let told = 0;

/**
 * By the page's own clock: the user may change the other one, and it stands while the device
 * sleeps.
 * @param {unknown} [stop]
 */
export const tick = (stop) => {
  const time = performance.now();
  spent += since && time - since;
  since = stop == 1 || document.hidden || !document.hasFocus() ? 0 : time;
};

/**
 * Runs when the layout is known anyway, after a scroll or a change of size: asking at another time
 * would force the browser to compute it.
 */
export const measure = () => {
  depth = Math.max(depth, scrollY + innerHeight);
  height = document.documentElement.scrollHeight;
};

/** Tells how the current page view went so far. */
export const leave = () => {
  tick(1);
  const ms = spent | 0;
  const scroll = (Math.min(1, Math.max(depth, innerHeight) / height) * 100) | 0;
  if (view && told != (told = ms * 101 + scroll)) record('engagement', { ms, scroll });
};

/** Starts again from zero, for a new page view. */
export const restart = () => {
  spent = depth = told = 0;
  tick();
};

/** The height of the page, whenever it changes. */
export const watch = () => new ResizeObserver(measure).observe(document.documentElement);
