import { hashOf } from './ids.js';
import { size } from './send.js';
import { settings } from './settings.js';

/** @typedef {import('./types').Control} Control */

/**
 * What is no answer, or a secret one: matched against `type,name,id,autocomplete`, of which an
 * option has no type. What follows keeps `businessName`, `passengers`, `footprint` and the like.
 */
const SECRET =
  /^(hid|fi|sub|but|ima|res|sea|,)|\bcc-|one-time|pass(?!eng)|pw|card(?!io)|cv[vc]|ssn(?![aeou])|iban|otp(?!ri)|token|csrf|secret(?!ar)/i;
/**
 * Matched against `method,action`: whole words of a path, for a page about payment-solutions or
 * web-designing has forms for leads, and only what is no POST searches.
 */
const NO_LEAD = /^(?!post).*\bsearch|[^\w-]((log|sign)-?in|checkout|payments?)(?![\w-])/i;
const PRIVATE = '[data-hr-ignore],[role=search]' + (OPTIONS && settings.private || '');
const BOX = /check|radio/;
const MOST_BYTES = 24e3;

/** Things seen before: forms, and password fields that may show their text now. */
export const noted = new WeakSet();

/** A form, or what the page has marked to be taken for one. */
export const FORM = settings.containers ? 'form,[data-hr-form]' : 'form';

/**
 * By attributes, for an input named `id` or `action` takes the place of the form's own property.
 * @param {HTMLFormElement} form
 */
export const keyOf = (form) =>
  (OPTIONS && settings.containers && form.getAttribute('data-hr-form')) ||
  form.getAttribute('id') ||
  form.getAttribute('name') ||
  'form';

/**
 * Also where a shadow root lies between an element and what is marked.
 * @param {Element | undefined} element
 * @returns {unknown}
 */
export const isPrivate = (element) =>
  element &&
  (element.closest(PRIVATE) ||
    isPrivate(/** @type {ShadowRoot} */ (element.getRootNode()).host));

/**
 * What the page has marked to be taken for a form, if the site wants that. Nothing else reaches
 * out of a shadow root: a button may be an element of its own kind.
 * @param {Element | undefined} element
 * @returns {any}
 */
export const containerOf = (element) =>
  settings.containers &&
  element &&
  (element.closest('[data-hr-form]') ||
    containerOf(/** @type {ShadowRoot} */ (element.getRootNode()).host));

/** @param {any} control */
export const formOf = (control) => control.form || containerOf(control);

/**
 * What a form asks that may be known: no secrets, nothing hidden, nothing marked private, and
 * nothing at all of a form to search, sign in or pay with. `form.elements` is not asked, for an
 * input may have that name; controls outside the form belong to it by their `form` attribute.
 * @param {HTMLFormElement} form
 * @param {string[]} unread gets the others, by name and type
 * @returns {Control[]}
 */
export const controlsOf = (form, unread = []) => {
  let signIn = 0;
  const root = /** @type {ParentNode} */ (form.getRootNode());
  const enabled = /** @type {Control[]} */ ([...root.querySelectorAll(':enabled')]);
  const controls = enabled.filter((control) => {
    return (
      (OPTIONS ? formOf(control) : control.form) == form &&
      (!(control.type == 'password' || noted.has(control)
        ? (signIn = 1)
        : !nameOf(control) ||
          SECRET.test(
            /** @type {any} */ ([control.type, control.name, control.id, control.autocomplete]),
          ) ||
          isPrivate(control)) ||
        !unread.push(nameOf(control) + ':' + control.type))
    );
  });
  // A form with a password and one answer beside it is a sign-in; with more, somebody signs up.
  return isPrivate(form) ||
    NO_LEAD.test(/** @type {any} */ ([form.getAttribute('method'), form.getAttribute('action')])) ||
    (signIn && controls.filter(({ type }) => !BOX.test(type)).length < 2)
    ? []
    : controls;
};

/** @param {Control} control */
export const nameOf = (control) => control.name || control.id;

/**
 * A number of 13 to 19 digits whose last one fits by Luhn's rule, also where groups of other digits
 * stand beside it: what is written after a card's number is when it expires. Telephone numbers of
 * that length begin with a plus.
 * @param {string} text
 */
const holdsCard = (text) =>
  text.match(/\+?\d([ -]?\d){12,}/g)?.some((run) =>
    run.split(/[ -]/).some((_, from, groups) => {
      let number = '';
      return groups
        .slice(from, from + 19)
        .some(
          (group) =>
            /^\d{13,19}$/.test((number += group)) &&
            /** @type {any[]} */ ([...number])
              .reverse()
              .reduce((sum, digit, at) => sum - (at % 2 ? '0246813579'[digit] : digit), 0) %
              10 ==
              0,
        );
    }),
  );

/**
 * Read once, when the visitor submits; with it a proof of what was agreed to: the boxes ticked, a
 * hash of what they say, and the version of the text as the form tells it.
 * @param {HTMLFormElement} form
 */
export const answersOf = (form) => {
  // Nothing inherited: a field may be called what the page has put on every object.
  const fields = /** @type {any} */ ({ __proto__: null });
  /** @type {Record<string, string>} */
  const kinds = {};
  /** @type {string[]} */
  const ticked = [];
  const controls = controlsOf(form);
  let text = '';
  let room = MOST_BYTES;
  let cut;
  for (const control of controls) {
    const { type } = control;
    const name = nameOf(control);
    if (BOX.test(type)) {
      if (!control.checked) continue;
      ticked.push(name);
      text += /** @type {any} */ (control.labels)[0]?.textContent;
    }
    for (const { value } of control.selectedOptions || [control]) {
      if (!value || holdsCard(value)) continue;
      // One character over the limit tells the server that there were more.
      const short = value.slice(0, type == 'textarea' ? 8001 : 1001);
      const cost = size([name, name, short]);
      if (cost > room) {
        cut = 1;
        continue;
      }
      room -= cost;
      fields[name] = fields[name] ? [fields[name], short].flat() : short;
      kinds[name] = type == 'text' ? control.autocomplete : type;
    }
  }
  return (
    room < MOST_BYTES && {
      form: keyOf(form),
      fields,
      kinds,
      cut,
      consent: {
        ticked,
        text: hashOf(text),
        version: form.getAttribute('data-consent-version'),
      },
      fv: hashOf('' + controls.map(nameOf)),
    }
  );
};
