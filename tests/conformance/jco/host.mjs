// Serves the component on Node, whose engine is V8: `jco serve --isolate-requests instance`, without its command line.
//
// node host.mjs <folder with node_modules> <component> <file of variables>
//
// jco translates the component to JavaScript and core modules, and its preview2-shim has clocks, streams, HTTP and the
// server. This file adds the two interfaces that the shim lacks or implements differently: variables, which are read from
// the file for each request, and a key-value store that is not granted. It ends with its standard input.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, component, variables] = process.argv.slice(2);
const load = async (name) => {
  // Packages that only export modules cannot be required, but their files are found.
  const [scope, rest, ...path] = name.split('/');
  const { exports } = JSON.parse(readFileSync(join(folder, 'node_modules', scope, rest, 'package.json')));
  const at = exports[path.length ? `./${path.join('/')}` : '.'] ?? exports['./*'];
  const file = (at.node?.default ?? at.node ?? at.default).replace('*', path.join('/'));
  return import(pathToFileURL(join(folder, 'node_modules', scope, rest, file)));
};
const { transpile } = await load('@bytecodealliance/jco-transpile');
const { HTTPServer } = await load('@bytecodealliance/preview2-shim/http');
const { WASIShim } = await load('@bytecodealliance/preview2-shim/instantiation');

const { files } = await transpile(component, { name: 'relay', instantiation: 'sync', emitTypescriptDeclarations: false });
const modules = {};
for (const [name, bytes] of Object.entries(files)) {
  if (name.endsWith('.wasm')) modules[name] = new WebAssembly.Module(bytes);
}
const script = Buffer.from(files['relay.js']).toString('base64');
const { instantiate } = await import(`data:text/javascript;base64,${script}`);

const all = () => JSON.parse(readFileSync(variables, 'utf8'));
const own = {
  'wasi:config/store': { get: (name) => all()[name], getAll: () => Object.entries(all()) },
  'wasi:keyvalue/store': {
    Bucket: class {},
    open: () => {
      throw { tag: 'access-denied' };
    },
  },
};

const server = new HTTPServer({
  handle(request, response) {
    const shims = Object.entries(new WASIShim().getImportObject()).map(([name, shim]) => [name.split('@')[0], shim]);
    const imports = { ...Object.fromEntries(shims), ...own };
    // An instance for each request, as on Spin.
    instantiate((name) => modules[name], imports).incomingHandler.handle(request, response);
  },
});
server.listen(0, '127.0.0.1');
console.log(`http://127.0.0.1:${server.address().port}`);
process.stdin.on('end', () => process.exit()).resume();
