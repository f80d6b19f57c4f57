let last = 0;

/**
 * 128 random bits in base64url, 22 characters; the first 48 bits are the time, if one is given.
 * @param {number} [time]
 */
export const randomId = (time) => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // A typed array keeps the lowest byte of what it is given, also of a number over 32 bits.
  if (time) for (let place = 6; place--; time /= 256) bytes[place] = time;
  return btoa(String.fromCharCode(...bytes))
    .replace(/\//g, '_')
    .replace(/\W/g, '-')
    .slice(0, 22);
};

/** 128 bits that sort by time, no two the same. */
export const eventId = () => randomId((last = Math.max(Date.now(), last + 1)));

/**
 * 32 bits of a text: to notice that it is another one, not to tell which.
 * @param {string} text
 */
export const hashOf = (text) =>
  '' + [...text].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) | 0, 0);
