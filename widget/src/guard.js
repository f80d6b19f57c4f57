/**
 * Whatever goes wrong in here stays in here: the host page must never see an error of ours.
 * @template T
 * @param {() => T} work
 * @returns {T | undefined}
 */
export function quietly(work) {
  try {
    return work();
  } catch {}
}

/**
 * @param {() => void} work
 * @param {number} [delay]
 */
export const later = (work, delay) => setTimeout(quietly, delay, work);

/** The page's own clock: the user may change the other one, and it stands while the device sleeps. */
export const now = () => performance.now();

/**
 * Every listener captures, so that it also sees what a host handler stops, and is passive, so that
 * it can neither cancel anything nor delay a scroll. Events of the document pass through the
 * window too.
 * @param {Record<string, (event: any) => void>} handlers by type
 * @param {EventTarget} target
 */
export function listen(handlers, target = window) {
  for (const type in handlers)
    target.addEventListener(type, (event) => quietly(() => handlers[type](event)), {
      capture: true,
      passive: true,
    });
}
