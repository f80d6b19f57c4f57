import { view } from './events.js';
import { answersOf, controlsOf, keyOf, nameOf, noted } from './fields.js';
import { later, listen, now, quietly } from './guard.js';
import { record, secure } from './send.js';

/** One submission comes as a `submit`, a `formdata`, or both within this time. */
const SAME = 1000;
/** How long after a click the page may take to collect the form's data. */
const REACTION = 1000;

/** @type {HTMLFormElement} */
let submitted;
let submittedAt = 0;
let clickedAt = -REACTION;
/** @type {() => void} */
let collected;

/**
 * The visitor submits: the one moment at which values are read. Whether the page takes over by
 * cancelling the event, and so makes it an attempt, is known only after all of its handlers.
 * @param {any} event
 * @param {HTMLFormElement} form
 */
function capture(event, form) {
  if (!view || (submitted == form && now() - submittedAt < SAME)) return;
  const answers = answersOf(form);
  if (!answers) return;
  submitted = form;
  submittedAt = now();
  const { d } = record('form_submit', answers);
  later(() => {
    d.attempt = +event.defaultPrevented;
    secure();
  });
}

/**
 * `form.submit()` fires no `submit`, and a host may stop one; `formdata` still comes. But it also
 * comes whenever a page reads a form for itself, to save a draft for example, and nobody has
 * submitted anything then. So a click on a button must have led to it, or a navigation that
 * carries a form must follow. Listening to `navigate` makes Chromium fire `formdata` once more,
 * therefore only now, and once.
 * @param {Event} event
 * @param {HTMLFormElement} form
 */
function collect(event, form) {
  collected = () => capture(event, form);
  if (now() - clickedAt < REACTION) collected();
  else window.navigation?.addEventListener('navigate', navigate, { once: true });
}

/** @param {{ formData?: unknown }} event */
const navigate = ({ formData }) => formData && quietly(collected);

/** @param {EventTarget} [root] */
const hear = (root) =>
  listen(
    {
      submit: (event) => capture(event, event.target),
      formdata: (event) => collect(event, event.target),
    },
    root,
  );

/**
 * The two events do not leave a shadow root, but focus and clicks do.
 * @param {Event} event
 */
function touch(event) {
  const path = /** @type {any[]} */ (event.composedPath());
  for (const root of path)
    if (root instanceof ShadowRoot && !noted.has(root)) {
      noted.add(root);
      hear(root);
    }
  if (path[0].type == 'password') noted.add(path[0]);
  return path[0];
}

export function followForms() {
  hear();
  listen({
    focusin: touch,
    click(event) {
      if (touch(event).closest('button,a,[role=button],[type=submit],[type=button]'))
        clickedAt = now();
    },
    input(event) {
      const { form } = touch(event);
      if (!form || !view || noted.has(form)) return;
      noted.add(form);
      const fields = controlsOf(form).map(nameOf);
      if (fields[0]) record('form_start', { form: keyOf(form), fields });
    },
  });
}
