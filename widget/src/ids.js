let last = 0;

/**
 * Random bytes in base64url; the first 48 bits are the time, if one is given.
 * @param {number} size
 * @param {number} [time]
 */
export function randomId(size, time) {
  const bytes = crypto.getRandomValues(new Uint8Array(size));
  // A typed array keeps the lowest byte of what it is given, also of a number over 32 bits.
  for (let place = 6; time && place--; time /= 256) bytes[place] = time;
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=/g, '');
}

/** 128 bits that sort by time, no two the same. */
export const eventId = () => randomId(16, (last = Math.max(Date.now(), last + 1)));

/**
 * 32 bits of a text: to notice that it is another one, not to tell which.
 * @param {string} text
 */
export const hashOf = (text) =>
  '' + [...text].reduce((hash, letter) => (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0, 0);
