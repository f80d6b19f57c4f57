// Builds the widget into server/static/widget. The output is committed, so that running the server
// needs no Node; `make check` builds again and fails if the files differ.
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

const here = new URL('.', import.meta.url);
const there = new URL('../server/static/widget/', here);
const { version } = JSON.parse(await readFile(new URL('package.json', here), 'utf8'));

/**
 * In which order one-letter names are given out in each build, the most used name first. Found by
 * trial: of some thousand orders the one that brotli makes the least of, 1 % less than usual.
 */
const FULL = 'AbDBeFihZYvSjnaMIVxECgzs_fytwQrlduOTXopHJcPUKqkmLWNRG';
const SMALL = 'tivbsWcYuaQMwEAJZUgnjfXrqdyToChelBDKPmkxHpSV_zNIOLGFR';
const OPTIONAL = 'fyngwIVzlviuxsTUtoHNcERKjPGOkCW_JbQhBXAMqmSLYdDpraFeZ';

/** @param {string} letters */
const namesOf = (letters) => (/** @type {number} */ place) => {
  let name = '';
  for (place++; place; place = Math.floor(place / letters.length))
    name += letters[--place % letters.length];
  return name;
};

/**
 * One entry point with all it imports, as small as it gets.
 * @param {string} entry
 * @param {object} define
 * @param {string} letters
 */
async function compile(entry, define, letters) {
  const { outputFiles } = await build({
    absWorkingDir: here.pathname,
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    target: 'es2021',
    charset: 'utf8',
    define,
    minifySyntax: true,
    write: false,
  });
  // esbuild leaves functions used once where they are; terser puts them in place: 5 % less. Commas
  // instead of semicolons would be fewer characters, and more bytes. Names are given out to what
  // is left, so that the order found for them fits.
  const { code: left } = await minify(outputFiles[0].text, {
    ecma: 2020,
    toplevel: true,
    compress: {
      passes: 5,
      keep_fargs: false,
      lhs_constants: false,
      sequences: false,
      unsafe_arrows: true,
    },
    mangle: false,
  });
  const { code } = await minify(/** @type {string} */ (left), {
    ecma: 2020,
    toplevel: true,
    compress: false,
    mangle: { nth_identifier: { get: namesOf(letters) } },
  });
  return code;
}

/**
 * @param {string} name
 * @param {string} text
 */
async function write(name, text) {
  await writeFile(new URL(name, there), text);
  console.log(`${name}: ${text.length} bytes, ${brotliCompressSync(text).length} with brotli`);
}

/**
 * Everything stands in one function: its argument, the `{}` at the end of the file, is where the
 * server writes a site's settings. The outer `try` keeps a broken start off the host page.
 * @param {boolean} options whether to build in what only some sites configure
 */
async function core(options) {
  const define = {
    SETTINGS: '$',
    BUILD: JSON.stringify(version.split('.')[0]),
    OPTIONS: String(options),
    CHUNK: JSON.stringify(CHUNK),
  };
  const code = await compile('src/main.js', define, options ? FULL : SMALL);
  return `($=>{try{${code}}catch{}})({});\n`;
}

await mkdir(there, { recursive: true });
const optional = (await compile('src/optional/main.js', {}, OPTIONAL)) + '\n';
/** The name under which the server serves the optional part for ever: it changes with the text. */
const CHUNK = `c.${createHash('sha256').update(optional).digest('hex').slice(0, 12)}.js`;
await write('c.js', optional);
await write('h.js', await core(true));
await write('default.js', await core(false));
await copyFile(new URL('handraise.d.ts', here), new URL('handraise.d.ts', there));
