import { followClicks } from './clicks.js';
import { handOver } from './handover.js';
import { heedManager } from './manager.js';

/**
 * What only some sites want, loaded by the widget where one does.
 * @param {import('../types').Core} core
 */
export default (core) => {
  const { links, downloads, marks, handover, tcf } = core.settings;
  if (tcf) heedManager(core);
  if (links || downloads || marks) followClicks(core);
  if (handover) handOver(core);
};
