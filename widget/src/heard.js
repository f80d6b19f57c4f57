import { measure, tick } from './engagement.js';
import { capture, collect, emptied, press, start, touch } from './forms.js';
import { comeBack, depart, wake } from './life.js';
import { look } from './page.js';
import { retry } from './send.js';

/**
 * Everything the widget hears, and what it does then.
 * @type {Record<string, (event: any) => void>}
 */
export const on = {
  visibilitychange: wake,
  prerenderingchange: wake,
  pagehide: depart,
  pageshow: comeBack,
  online: retry,
  navigatesuccess: look,
  popstate: look,
  focus: tick,
  blur: tick,
  scroll: measure,
  focusin: touch,
  click: press,
  input: start,
  submit: capture,
  formdata: collect,
  reset: emptied,
};
