import { may, SEND } from './consent.js';
import { view } from './events.js';
import {
  answersOf,
  containerOf,
  controlsOf,
  FORM,
  formOf,
  isPrivate,
  keyOf,
  nameOf,
  noted,
} from './fields.js';
import { later, listen, quietly } from './guard.js';
import { record } from './send.js';
import { inTab } from './tab.js';

/** Milliseconds in which one submission comes as a `submit`, a `formdata`, or both. */
const SAME = 1000;
/** Milliseconds that a page may take after a click to collect the form's data. */
const REACTION = 1000;

/** @type {HTMLFormElement} */
let submitted;
let submittedAt = 0;
/** Never yet: no number, and what is compared with it is false. @type {any} */
let clickedAt;
/** @type {() => void} */
let collected;

/**
 * The visitor submits: the one moment at which values are read. A page that takes over, by
 * cancelling the event, makes it an attempt.
 * @param {any} event
 * @param {HTMLFormElement} [form]
 */
export const capture = (event, form = event.target) => {
  if (!view || (submitted == form && event.timeStamp - submittedAt < SAME)) return;
  const answers = answersOf(/** @type {HTMLFormElement} */ (form));
  if (!answers) return;
  submitted = /** @type {HTMLFormElement} */ (form);
  submittedAt = event.timeStamp;
  const one = record('form_submit', answers);
  // One that stands for itself must never be joined to what the tab does later.
  if (may(SEND)) inTab((tab) => (tab[2] = one.i));
  // Asked when it is sent: before all handlers of the page have run, nobody knows.
  /** @type {any} */ (one.d).__defineGetter__(
    'attempt',
    () => +((OPTIONS && event.type == 'click') || event.defaultPrevented),
  );
  // Gone, and no other in its place that shows what was wrong.
  later(() => {
    submitted.isConnected ||
      [...(OPTIONS ? document.querySelectorAll(FORM) : document.forms)].some(
        (one) => keyOf(/** @type {HTMLFormElement} */ (one)) == answers.form,
      ) ||
      confirm(1);
  }, 5000);
};

/**
 * Says of the last submission in this tab, once, that it arrived.
 * @param {unknown} arrived if not, nothing that comes later will show it
 */
export const confirm = (arrived) => {
  const [of] = inTab((tab) => tab.splice(2));
  if (of && arrived) {
    const one = record('form_confirm', { of });
    // A page that is left out is not named.
    if (OPTIONS && !view) one.u = location.origin;
  }
};

/** A page that empties the form has sent it. */
export const emptied = (/** @type {Event} */ { target }) => confirm(target == submitted);

/**
 * `form.submit()` fires no `submit`, and a host may stop one; `formdata` still comes. But it also
 * comes whenever a page reads a form for itself, to save a draft for example, and nobody has
 * submitted anything then. So a click on a button must have led to it, or a navigation that
 * carries a form must follow. Listening to `navigate` makes Chromium fire `formdata` once more,
 * therefore only now, and once.
 * @param {any} event
 */
export const collect = (event) => {
  const form = event.target;
  collected = () => capture(event, form);
  if (event.timeStamp - clickedAt < REACTION) collected();
  // Where there is none, this throws, which `quietly` is for.
  else navigation.addEventListener('navigate', navigate, /** @type {any} */ ({ once: 1 }));
};

/** @param {any} event */
const navigate = (event) => event.formData && quietly(collected);

/**
 * Submissions do not leave a shadow root, but focus and clicks do.
 * @param {Event} event
 */
export const touch = (event) => {
  const path = /** @type {any[]} */ (event.composedPath());
  for (const root of path) if (root instanceof ShadowRoot) listen(root);
  const [target] = path;
  if (target.type == 'password') noted.add(target);
  return target;
};

/** @param {Event} event */
export const press = (event) => {
  const button = touch(event).closest('button,a,[role=button],[type=submit],[type=button]');
  if (!button) return;
  clickedAt = event.timeStamp;
  // Whatever is shown next, the visitor has gone there.
  (OPTIONS && sendFrom(button, event)) || button.form || confirm(0);
};

/**
 * A button in what is marked as a form submits it, but for one by which the browser submits a real
 * form: that is heard of by itself. A link leads elsewhere, wherever it stands.
 * @param {any} button
 * @param {Event} event
 */
const sendFrom = (button, event) => {
  const { form, type, href } = button;
  const container = !href && containerOf(button);
  if (
    (form ? form == container && type == 'button' : container) &&
    !isPrivate(button) &&
    !container.querySelector(':invalid')
  )
    capture(event, container);
  return container;
};

/** @param {Event} event */
export const start = (event) => {
  const target = touch(event);
  const form = OPTIONS ? formOf(target) : target.form;
  if (!view || noted.has(form)) return;
  // Throws where there is no form, and that is the end of it.
  noted.add(form);
  /** @type {string[]} */
  const unread = [];
  const fields = controlsOf(form, unread).map(nameOf);
  if (fields[0]) record('form_start', { form: keyOf(form), fields, unread });
};
