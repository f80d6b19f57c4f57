/** A consent manager leaves a stub in the page's head; one that comes later is waited for. */
const TRIES = 40;
const PAUSE = 250;

/**
 * What the page's consent manager knows by IAB's TCF 2 is the visitor's answer: purpose 1 is to
 * store something on their device. It tells again whenever they change their mind.
 *
 * Where the law does not apply nobody is asked: that is no answer, so an objection by the browser
 * still counts.
 * @param {import('../types').Core} core
 */
export const heedManager = ({ lift }) => {
  let tries = 0;
  const ask = () => {
    const manager = /** @type {any} */ (window).__tcfapi;
    if (manager) manager('addEventListener', 2, heed);
    else if (++tries < TRIES) setTimeout(quietly, PAUSE, ask);
  };
  /**
   * @param {any} data
   * @param {boolean} success
   */
  const heed = (data, success) => {
    if (!success) return;
    const { gdprApplies, eventStatus, purpose, tcfPolicyVersion } = data;
    if (gdprApplies === false) lift();
    else if (/^(tcloaded|useractioncomplete)$/.test(eventStatus))
      window.handraise?.('consent', !!purpose?.consents?.[1], {
        text: 'tcf',
        version: '' + tcfPolicyVersion,
      });
  };
  quietly(ask);
};

/** @param {() => void} work */
const quietly = (work) => {
  try {
    work();
  } catch {}
};
