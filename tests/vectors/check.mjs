// The vectors against the vendors' own libraries, both ways: what those make of ours, and what they sign for ours.
// Usage: node tests/vectors/check.mjs <folder with node_modules> <output file>

import { isUtf8 } from 'node:buffer';
import { EventEmitter } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';

const [folder, output] = process.argv.slice(2);
const modules = pathToFileURL(`${resolve(folder)}/node_modules/`);
const require = createRequire(modules);
const standard = require('standardwebhooks');
// This package can only be imported, and Node resolves no import from another folder.
const github = await import(new URL('@octokit/webhooks-methods/dist-node/index.js', modules));

const NOW = 1700000000;
const BODIES = 25;

const because = (reason, ...names) => Object.fromEntries(names.map((name) => [name, reason]));

// In `otherwise` stand the cases that a library is known to judge otherwise, each with the reason.
const libraries = [
  {
    name: '@octokit/webhooks-methods',
    version: github.verify.VERSION,
    scheme: {
      type: 'hmac',
      header: 'x-hub-signature-256',
      hash: 'sha256',
      encoding: 'hex',
      prefix: 'sha256=',
      list: false,
    },
    knows: () => true,
    verify: (test, body, headers) => github.verify(test.secret, body, headers['x-hub-signature-256']),
    otherwise: { 'github-public-key': 'It does not tell public keys from secrets.' },
    // It takes no empty body.
    smallest: '{}',
    async sign(number, timestamp, body) {
      const secret = `cross-check secret ${number}, größer`;
      return { secret, headers: [['X-Hub-Signature-256', await github.sign(secret, body)]] };
    },
  },
  {
    name: 'standardwebhooks',
    version: require('standardwebhooks/package.json').version,
    scheme: { type: 'standard-webhooks' },
    // It has no v1a, and takes a secret without the prefix as well.
    knows: (secret) => secret.startsWith('whsec_'),
    verify(test, body, headers) {
      // The only clock that it reads.
      Date.now = () => test.now * 1000;
      // It throws where it refuses.
      new standard.Webhook(test.secret).verify(body, headers, { jsonParse: false });
      return true;
    },
    otherwise: {
      'sw-hmac-4097-bytes': 'It takes a value of any length.',
      'sw-hmac-accept-timestamp-19-digits-leading-zeros': 'Stricter: it signs the number anew, not the text as sent.',
      'sw-hmac-comma-separated': 'It ignores what follows the second comma of an entry.',
      'sw-hmac-signature-duplicated-same': 'Joined, repeats are a list to it.',
      'sw-hmac-signature-duplicated-wrong-then-right': 'Joined, repeats are a list to it.',
      'sw-hmac-signature-non-ascii': 'It ignores what follows the right entry.',
      'sw-hmac-signature-trailing-space': 'It ignores what follows the right entry.',
      'sw-hmac-timestamp-duplicated-right-then-wrong': 'It ignores what follows the digits.',
      'sw-hmac-timestamp-duplicated-same': 'It ignores what follows the digits.',
      'sw-hmac-timestamp-negative': 'It takes a number with a sign.',
    },
    smallest: '',
    sign(number, timestamp, body) {
      const secret = `whsec_${Buffer.alloc(24 + number, `cross-check ${number}`).toString('base64')}`;
      const id = `msg_${number}`;
      const signature = new standard.Webhook(secret).sign(id, new Date(timestamp * 1000), body);
      const headers = { 'webhook-id': id, 'webhook-timestamp': `${timestamp}`, 'webhook-signature': signature };
      return { secret, headers: Object.entries(headers) };
    },
  },
  {
    name: 'sns-validator',
    version: require('sns-validator/package.json').version,
    scheme: { type: 'sns' },
    knows: () => true,
    verify(test, body) {
      // The only way that it fetches: no request leaves this process.
      https.get = (address, answer) => {
        // Where this throws, the real one throws.
        new URL(address);
        const statusCode = test.certificate === null ? 404 : 200;
        process.nextTick(answer, Object.assign(Readable.from(test.certificate ?? ''), { statusCode }));
        return new EventEmitter();
      };
      // It keeps certificates by their addresses, which the cases share, for as long as it is loaded.
      delete require.cache[require.resolve('sns-validator')];
      const validator = new (require('sns-validator'))();
      return new Promise((done) => validator.validate(body, (error) => done(!error)));
    },
    otherwise: {
      'sns-accept-unsubscribe': 'Stricter: it leaves out Token, which Amazon signs in this type as well.',
      ...because('It sees no header.', 'sns-message-type-header-absent', 'sns-raw-delivery'),
      ...because('It knows no topics.', 'sns-topic-not-listed', 'sns-topic-other-case'),
      ...because('It knows no topics.', 'sns-topic-prefix', 'sns-topics-none'),
      ...because('It knows no topics.', 'sns-topic-not-an-arn', 'sns-topic-of-another-service'),
      ...because('It takes line ends in any member.', 'sns-message-id-with-line-end', 'sns-subject-with-line-end'),
      ...because(
        "It takes any region for the topic's, buckets named sns among them.",
        'sns-certificate-url-bucket-accelerated',
        'sns-certificate-url-bucket-external',
        'sns-certificate-url-bucket-with-a-dash',
        'sns-certificate-url-of-china-elsewhere',
        'sns-certificate-url-other-region',
      ),
      ...because('It reads no timestamp.', 'sns-future', 'sns-timestamp-not-a-time', 'sns-too-old'),
      ...because(
        'It reads no dates of a certificate.',
        'sns-certificate-date-impossible',
        'sns-certificate-date-with-fraction',
        'sns-certificate-date-with-offset',
        'sns-certificate-date-with-sign',
        'sns-certificate-date-without-seconds',
        'sns-certificate-date-without-zone',
        'sns-certificate-dates-swapped',
        'sns-certificate-expired',
        'sns-certificate-not-yet-valid',
      ),
      ...because(
        'It takes a key of any size, and a bare one.',
        'sns-certificate-a-bare-key',
        'sns-key-modulus-2040-bits',
        'sns-key-modulus-4104-bits',
        'sns-key-too-short',
      ),
      ...because(
        'OpenSSL takes any odd exponent, 1 among them.',
        'sns-key-exponent-1-version-1',
        'sns-key-exponent-1-version-2',
        'sns-key-exponent-257',
        'sns-key-exponent-3-version-1',
        'sns-key-exponent-3-version-2',
        'sns-key-exponent-too-large',
      ),
      ...because(
        "OpenSSL does not look at the parameters of RSA's identifier.",
        'sns-key-parameters-missing',
        'sns-key-parameters-not-null',
      ),
      ...because(
        'OpenSSL reads the first certificate of a file and ignores what follows it.',
        'sns-certificate-and-a-key',
        'sns-certificate-and-another',
        'sns-certificate-another-certificate-after',
        'sns-certificate-bytes-after',
        'sns-certificate-text-after',
        'sns-certificate-twice',
        'sns-certificate-zero-after',
        'sns-key-bytes-after-key',
      ),
      ...because('OpenSSL takes an old label of certificates as well.', 'sns-certificate-label-x509'),
      ...because('OpenSSL takes a version of certificates that there is not.', 'sns-certificate-version-unknown'),
      ...because(
        'OpenSSL reads BER, of which DER is the strict part.',
        'sns-certificate-length-indefinite',
        'sns-certificate-length-not-shortest',
        'sns-certificate-length-of-a-part-indefinite',
        'sns-certificate-length-of-a-part-not-shortest',
        'sns-certificate-length-of-dates-not-shortest',
        'sns-certificate-length-of-exponent-not-shortest',
        'sns-certificate-length-of-key-indefinite',
        'sns-certificate-length-of-modulus-not-shortest',
        'sns-certificate-length-of-nine-bytes',
        'sns-certificate-tag-of-several-bytes',
      ),
      ...because(
        'OpenSSL takes numbers that begin with zeros they do not need, and a negative modulus as positive.',
        'sns-key-exponent-not-shortest',
        'sns-key-modulus-negative',
        'sns-key-modulus-not-shortest',
      ),
      ...because('Its base64 is lenient.', 'sns-signature-not-base64', 'sns-signature-unpadded'),
      ...because(
        'It takes any address on the right host that ends in .pem, as its lenient parser reads it.',
        'sns-certificate-url-backslash',
        'sns-certificate-url-dots',
        'sns-certificate-url-empty-id',
        'sns-certificate-url-fragment',
        'sns-certificate-url-other-path',
        'sns-certificate-url-query',
        'sns-certificate-url-query-only',
        'sns-certificate-url-space',
        'sns-certificate-url-upper-case-host',
      ),
    },
  },
];

// As Node hands them to a library: names in lower case, repeats joined, bytes as Latin-1. Only the spaces around a
// value are not cut, as the vectors are about a verifier that sees them.
function headersOf(test) {
  const headers = {};
  for (const [name, value] of test.headers) {
    (headers[name.toLowerCase()] ??= []).push(Buffer.from(value).toString('latin1'));
  }
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.join(', ')]));
}

async function verdictOf(library, test, body) {
  try {
    return (await library.verify(test, body, headersOf(test))) ? 'accept' : 'refuse';
  } catch {
    return 'refuse';
  }
}

async function oursThere(library, cases) {
  const covered = cases.filter((test) => isDeepStrictEqual(test.scheme, library.scheme) && library.knows(test.secret));
  // They take text only.
  const textual = covered.filter((test) => isUtf8(Buffer.from(test.body_base64, 'base64')));
  const known = new Set(Object.keys(library.otherwise));
  const wrong = [];
  let alike = 0;
  for (const test of textual) {
    const verdict = await verdictOf(library, test, Buffer.from(test.body_base64, 'base64').toString());
    const listed = known.delete(test.name);
    if (verdict !== test.verdict && !listed) wrong.push(`${test.name}: ${verdict} there, ${test.verdict} here`);
    if (verdict === test.verdict && listed) wrong.push(`${test.name}: listed as judged otherwise, and is not`);
    if (verdict === test.verdict) alike += 1;
  }
  wrong.push(...[...known].map((name) => `${name}: listed, but not judged`));
  return { alike, skipped: covered.length - textual.length, wrong };
}

function bodyOf(number) {
  return [
    JSON.stringify({ number, state: 'firing' }),
    JSON.stringify({ number, title: 'Überlast auf db-ø1 — 日本語 🔥 e\u0301' }, null, 2),
    `{\r\n  "number": ${number},\r\n  "state": "firing"\r\n}\r\n`,
    `\ufeffNot JSON, \0 and {timestamp}.{body} ${'long '.repeat(number * 100)}`,
  ][number % 4];
}

async function* theirsHere({ name, scheme, smallest, sign }, bodies) {
  for (let number = 0; number < bodies; number += 1) {
    const text = number === 0 ? smallest : bodyOf(number);
    // From one end of the window to the other.
    const signed = { scheme, ...(await sign(number, NOW + (number - 12) * 25, text)), now: NOW };
    const given = (body, rest) => ({ ...signed, body_base64: body.toString('base64'), ...rest });
    yield given(Buffer.from(text), { name: `${name}-${number}`, verdict: 'accept', reason: 'Signed by the library.' });
    // Where there is no byte to change, there is one more.
    const other = Buffer.from(text || ' ');
    other[number % other.length] ^= 1;
    yield given(other, { name: `${name}-${number}-changed`, verdict: 'refuse', reason: 'Changed after signing.' });
  }
}

const { cases } = JSON.parse(readFileSync(new URL('auth.json', import.meta.url)));
const signed = [];
for (const library of libraries) {
  const { alike, skipped, wrong } = await oursThere(library, cases);
  // Not every library can sign.
  const bodies = library.sign ? BODIES : 0;
  for await (const test of theirsHere(library, bodies)) signed.push(test);
  const counts = `${alike} of ours judged alike there, ${bodies} signed there, ${skipped} skipped`;
  console.log(`cross-check: ${library.name} ${library.version}: ${counts}`);
  wrong.forEach((line) => console.error(`cross-check: ${library.name}: ${line}`));
  if (wrong.length > 0) process.exitCode = 1;
}
writeFileSync(output, JSON.stringify({ cases: signed }, null, 1));
