// Builds the widget into server/static/widget. The output is committed, so that running the server
// needs no Node; `make check` builds again and fails if the files differ.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

const here = new URL('.', import.meta.url);
const there = new URL('../server/static/widget/', here);
const { version } = JSON.parse(await readFile(new URL('package.json', here), 'utf8'));

/**
 * Everything stands in one function: its argument, the `{}` at the end of the file, is where the
 * server writes a site's settings. The outer `try` keeps a broken start off the host page.
 * @param {string} name
 * @param {boolean} options whether to build in what only some sites configure
 */
async function write(name, options) {
  const { outputFiles } = await build({
    absWorkingDir: here.pathname,
    entryPoints: ['src/main.js'],
    bundle: true,
    format: 'esm',
    target: 'es2020',
    charset: 'utf8',
    define: {
      SETTINGS: '$',
      BUILD: JSON.stringify(version.split('.')[0]),
      OPTIONS: String(options),
    },
    minifySyntax: true,
    write: false,
  });
  // esbuild leaves functions used once where they are; terser puts them in place: 5 % less.
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2020,
    toplevel: true,
    compress: { passes: 5, unsafe_arrows: true, unsafe_methods: true },
  });
  const text = `($=>{try{${code}}catch{}})({});\n`;
  await writeFile(new URL(name, there), text);
  console.log(`${name}: ${text.length} bytes, ${brotliCompressSync(text).length} with brotli`);
}

await mkdir(there, { recursive: true });
await write('h.js', true);
await write('default.js', false);
