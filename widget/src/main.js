import { later, listen } from './guard.js';
import { api, stub, wake } from './life.js';
import { settings } from './settings.js';

// A second copy of the tag, or the same one run again by Turbo and its like, does nothing. Nor does
// a frame, unless wanted, or a file that somebody has saved.
if (!stub?.b && /^h/.test(location.protocol) && (window == parent || (OPTIONS && settings.frames))) {
  window.handraise = api;
  listen(window);
  later(wake);
}
