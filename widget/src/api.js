import { may, RECORD, SEND } from './consent.js';
import { asOf, view } from './events.js';
import { quietly } from './guard.js';
import { NAME, recall, remember } from './memory.js';
import { open } from './page.js';
import { enqueue, flush, record, resume, withdraw } from './send.js';
import { isNear } from './settings.js';
import { become, meet, visitor } from './visitor.js';

/** @type {Record<string, (...args: any[]) => void>} */
const commands = {
  track: (name, props) => record('track', { name, props }),

  identify: (who) => {
    // A token says it, too: what it is of is not secret, only signed.
    const told = {
      ...quietly(() => JSON.parse(atob(/** @type {any} */ (who.token.split('.', 1))))),
      ...who,
    };
    const name = told.email || told.user_id;
    if (name) meet(name);
    record('identify', who);
  },

  page: (address, title) => open(0, address, title),

  consent: (given, proof) => {
    // Any other word is no consent.
    const state = given === true || given == 'granted' ? 'granted' : 'denied';
    const say = () => record('consent', { ...proof, state });
    const counted = may(RECORD);
    const [before, id, person] = recall();
    if (state == before) return;
    if (state == 'denied') {
      withdraw();
      // The last thing sent with the visitor's id, if anything was. The server's cookie ends by it.
      if (!OPTIONS || may(SEND) || isNear) say();
      flush(1);
      remember(1, state);
      quietly(() => delete sessionStorage[NAME]);
      quietly(resume);
    } else {
      remember(1, state, id, person);
      // The page was not counted for want of a permission: now it is.
      if (!counted && view) enqueue(view);
      say();
    }
  },

  reset: () => become(),

  id: (take) => take(visitor()),
};

/** @param {import('./types').Call} call */
export const run = ([at, command, ...args]) => asOf(at, () => commands[command](...args));
