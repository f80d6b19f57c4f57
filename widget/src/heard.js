import { measure, tick } from './engagement.js';
import { capture, collect, emptied, press, start, touch } from './forms.js';
import { comeBack, depart, turn } from './life.js';
import { look } from './page.js';
import { retry } from './send.js';

/**
 * Everything the widget hears, and what it does then; in the order that packs best, as elsewhere
 * where there is no other.
 * @type {Record<string, (event: any) => void>}
 */
export const on = {
  visibilitychange: turn,
  prerenderingchange: turn,
  online: retry,
  popstate: look,
  focus: tick,
  scroll: measure,
  focusin: touch,
  navigatesuccess: look,
  blur: tick,
  input: start,
  formdata: collect,
  pagehide: depart,
  click: press,
  pageshow: comeBack,
  reset: emptied,
  submit: capture,
};
