import { mayRecord, maySend } from './consent.js';
import { asOf, view } from './events.js';
import { quietly } from './guard.js';
import { randomId } from './ids.js';
import { NAME, recall, remember } from './memory.js';
import { open } from './page.js';
import { enqueue, flush, record, resume, withdraw } from './send.js';
import { become, meet, visitor } from './visitor.js';

/** @type {Record<string, (...args: any[]) => void>} */
const commands = {
  track: (name, props) => record('track', { name, props }),

  identify(who) {
    const name = who.email || who.user_id;
    if (name) meet(name);
    record('identify', who);
  },

  page: (address, title) => open(0, address, title),

  consent(given, proof) {
    // Any other word is no consent.
    const state = given === true || given == 'granted' ? 'granted' : 'denied';
    const say = () => record('consent', { ...proof, state });
    const counted = mayRecord();
    const [before, ...rest] = recall();
    if (state == before) return;
    if (state == 'denied') {
      withdraw();
      // The last thing sent with the visitor's id, if anything was.
      if (maySend()) say();
      flush(1);
      remember(1, state);
      quietly(() => sessionStorage.removeItem(NAME));
      quietly(resume);
    } else {
      remember(1, state, ...rest);
      // The page was not counted for want of a permission: now it is.
      if (!counted && view) enqueue(view);
      say();
    }
  },

  reset: () => become(randomId(16)),

  id: (take) => take(visitor()),
};

/** @param {import('./types').Call} call */
export const run = ([at, command, ...args]) => asOf(at, () => commands[command](...args));
