import { KEEP, may, pending } from './consent.js';
import { view } from './events.js';
import { recall, remember } from './memory.js';
import { record, resume } from './send.js';
import { endpoint, settings } from './settings.js';
import { visitor } from './visitor.js';

/**
 * What only some sites want stands in a file of its own, fetched where one of them does.
 *
 * By `import()`, for that is allowed wherever this script was: under a nonce, and where a page
 * demands Trusted Types. A policy that forbids it costs what is optional; where that is the consent
 * manager's answer, there is none.
 */
export const addOptional = () => {
  const { links, downloads, marks, handover, tcf } = settings;
  if (links || downloads || marks || handover || tcf)
    import(endpoint.slice(0, -1) + 'h/' + CHUNK)
      .then((chunk) =>
        chunk.default({
          settings,
          record,
          visitor,
          endpoint,
          viewed: () => view,
          kept: () => may(KEEP),
          lift: () => {
            if (!pending()) return;
            settings.consent = 'on';
            remember(1, ...recall());
            resume();
          },
        }),
      )
      .catch(() => {});
};
