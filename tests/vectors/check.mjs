// The vectors against the vendors' own libraries, both ways: what those make of ours, and what they sign for us to judge.
// Usage: node tests/vectors/check.mjs <folder with node_modules> <output file>

import { isUtf8 } from 'node:buffer';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';

const [folder, output] = process.argv.slice(2);
const modules = resolve(folder, 'node_modules');
const require = createRequire(join(modules, 'any.js'));
const standard = require('standardwebhooks');
// This package can only be imported, and an import is not resolved from another folder.
const github = await import(pathToFileURL(join(modules, '@octokit/webhooks-methods/dist-node/index.js')));

const NOW = 1700000000;
const BODIES = 25;

const GITHUB = {
  type: 'hmac',
  header: 'x-hub-signature-256',
  hash: 'sha256',
  encoding: 'hex',
  prefix: 'sha256=',
  list: false,
};

// Each library: which cases are its own, its verdict on one, and a body signed by it. In `otherwise` stand the cases that
// it is known to judge otherwise, and why that is no fault of ours.
const libraries = [
  {
    name: '@octokit/webhooks-methods',
    version: github.verify.VERSION,
    scheme: GITHUB,
    covers: (test) => isDeepStrictEqual(test.scheme, GITHUB),
    verify: (test, body, headers) => github.verify(test.secret, body, headers['x-hub-signature-256']),
    // It refuses an empty body, which GitHub never sends.
    bodies: bodies(`{}`),
    sign: async (body, i) => {
      const secret = `cross-check secret ${i}, größer`;
      return { secret, headers: [['X-Hub-Signature-256', await github.sign(secret, body)]] };
    },
    otherwise: {},
  },
  {
    name: 'standardwebhooks',
    version: require('standardwebhooks/package.json').version,
    scheme: { type: 'standard-webhooks' },
    // It knows v1 only, and would take a secret without the prefix for a key.
    covers: (test) => test.scheme.type === 'standard-webhooks' && test.secret.startsWith('whsec_'),
    verify: (test, body, headers) => {
      // It throws where it refuses, and reads the clock from here.
      Date.now = () => test.now * 1000;
      new standard.Webhook(test.secret).verify(body, headers, { jsonParse: false });
      return true;
    },
    bodies: bodies(''),
    sign: (body, i) => {
      const secret = `whsec_${Buffer.alloc(24 + i, `cross-check ${i}`).toString('base64')}`;
      // From one end of the window to the other.
      const [id, timestamp] = [`msg_${i}`, NOW + (i - 12) * 25];
      const signature = new standard.Webhook(secret).sign(id, new Date(timestamp * 1000), body);
      const headers = [['webhook-id', id], ['webhook-timestamp', `${timestamp}`], ['webhook-signature', signature]];
      return { secret, headers };
    },
    otherwise: {},
  },
];

function bodies(first) {
  const kinds = [
    (i) => JSON.stringify({ number: i, state: 'firing' }),
    (i) => JSON.stringify({ number: i, title: 'Überlast auf db-ø1 — 日本語 🔥', combining: 'e\u0301' }, null, 2),
    (i) => `{\r\n  "number": ${i},\r\n  "state": "firing"\r\n}\r\n`,
    (i) => `\ufeffnot JSON, \0 and {timestamp}.{body} ${'long '.repeat(i * 1000)}`,
  ];
  return Array.from({ length: BODIES }, (_, i) => (i === 0 ? first : kinds[i % kinds.length](i)));
}

// As Node hands them to a library: lower-case names, repeats joined, and bytes as Latin-1. Spaces around a value, which
// Node would cut, stay: the vectors are about what a verifier makes of them.
function headersOf(test) {
  const headers = {};
  for (const [name, value] of test.headers) {
    const [key, bytes] = [name.toLowerCase(), Buffer.from(value).toString('latin1')];
    headers[key] = key in headers ? `${headers[key]}, ${bytes}` : bytes;
  }
  return headers;
}

async function verdictOf(library, test, body) {
  try {
    return (await library.verify(test, body.toString(), headersOf(test))) ? 'accept' : 'refuse';
  } catch {
    return 'refuse';
  }
}

async function oursThere(library, cases) {
  const [wrong, seen] = [[], new Set()];
  let [alike, skipped] = [0, 0];
  for (const test of cases.filter(library.covers)) {
    const body = Buffer.from(test.body_base64, 'base64');
    if (!isUtf8(body)) {
      // They take text only.
      skipped += 1;
      continue;
    }
    seen.add(test.name);
    const verdict = await verdictOf(library, test, body);
    const known = library.otherwise[test.name];
    if (verdict === test.verdict && !known) {
      alike += 1;
    } else if ((verdict === test.verdict) === Boolean(known)) {
      wrong.push(`${test.name}: ${verdict} there, and here: ${test.reason} ${known ?? ''}`);
    }
  }
  const gone = Object.keys(library.otherwise).filter((name) => !seen.has(name));
  return { alike, skipped, wrong: [...wrong, ...gone.map((name) => `${name}: no such case`)] };
}

async function theirsHere(library) {
  const cases = [];
  for (const [i, body] of library.bodies.entries()) {
    const name = `${library.name}-${i}`;
    const shared = { scheme: library.scheme, ...(await library.sign(body, i)), now: NOW };
    const bytes = Buffer.from(body);
    const changed = bytes.length > 0 ? Buffer.from(bytes) : Buffer.from(' ');
    changed[i % changed.length] ^= 1;
    const body_base64 = bytes.toString('base64');
    cases.push({ name, ...shared, body_base64, verdict: 'accept', reason: 'Signed by the library.' });
    const other = { body_base64: changed.toString('base64'), verdict: 'refuse' };
    cases.push({ name: `${name}-changed`, ...shared, ...other, reason: 'One byte of the body changed after signing.' });
  }
  return cases;
}

const { cases } = JSON.parse(readFileSync(new URL('auth.json', import.meta.url)));
const signed = [];
for (const library of libraries) {
  const { alike, skipped, wrong } = await oursThere(library, cases);
  signed.push(...(await theirsHere(library)));
  console.log(
    `cross-check: ${library.name} ${library.version}: ` +
      `${alike} of ours judged alike there, ${library.bodies.length} signed there, ${skipped} skipped`,
  );
  for (const line of wrong) {
    console.error(`cross-check: ${library.name}: ${line}`);
    process.exitCode = 1;
  }
}
writeFileSync(output, JSON.stringify({ cases: signed }, null, 1));
