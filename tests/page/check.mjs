// The page at `GET /` in a real browser, against a relay that serves it: what it shows, and what it must never do.
// Usage: node tests/page/check.mjs <folder with node_modules> <base url> <secret> <own secret> <secret of opsgenie>
// The relay has two mappings of a user's own, `custom_plain` and `custom_signed`, the latter with SIGNED as its `auth`.
// Environment: CHROMIUM, the browser (/usr/bin/chromium); SCREENSHOTS, a folder for light.png, dark.png and phone.png.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

// OWN_SECRET is for the sources that accept only their own, and OPSGENIE_SECRET for one more of them.
const [folder, address, SECRET, OWN_SECRET, OPSGENIE_SECRET] = process.argv.slice(2);
const usage = 'usage: check.mjs <folder with node_modules> <base url> <secret> <own secret> <secret of opsgenie>';
assert(folder && address && SECRET && OWN_SECRET && OPSGENIE_SECRET, usage);
const require = createRequire(pathToFileURL(`${resolve(folder)}/node_modules/`));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const ORIGIN = new URL(address).origin;
const HOME = `${ORIGIN}/`;
const SIGNED = '{"scheme": "hmac", "header": "X-Signature", "prefix": "sha256="}';
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };
const FLAGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

// Of all pages: each request, and each complaint of the browser's.
const requests = [];
const complaints = [];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: FLAGS.split(' '),
  timeout: 60_000,
});

let failed = 0;
try {
  await checks();
} finally {
  await browser.close();
}
process.exitCode = failed ? 1 : 0;

async function checks() {
  await check('the policy names the hashes of the one style and the one script', policyHoldsTheFile);
  await check('at load nothing but /setup is asked for', loadAsksForSetupOnly);
  for (const { slug } of await sources()) {
    await check(`${slug}: its sample opens an alert that its other sample closes`, () => opensAndCloses(slug));
  }
  await check('a wrong secret is an alert that names the source and the variables', wrongSecretIsExplained);
  await check('no secret, no request: the page says what is missing', missingSecretIsExplained);
  await check('markup in a payload is text, and only web addresses are links', markupIsText);
  await check('a mapping without auth takes the secret', () => customPreviews('plain', ''));
  await check('a mapping with auth takes a signature', () => customPreviews('signed', SIGNED));
  await check('auth that is copied as a line is understood', () => customPreviews('signed', `  "auth": ${SIGNED},\n`));
  await check('without its auth a mapping stays closed, and the page says what to paste', missingAuthIsExplained);
  await check('auth that is wrong is explained, and nothing is asked for', wrongAuthIsExplained);
  await check('names with dots and brackets in them are found', namesWithDotsAreFound);
  await check('the secret is kept nowhere', secretIsKeptNowhere);
  for (const slug of ['github', 'azure', 'gcp']) {
    await check(`the secret is kept nowhere, ${slug}`, () => secretOfIsKeptNowhere(slug));
  }
  await check('a secret that a query shows is in the address of that request alone', secretInQueryIsKeptNowhere);
  await check('a payload of the user survives a change of source', payloadIsKept);
  await check('the curl line cannot be ended by the payload', curlIsQuoted);
  await check('the keyboard alone reaches a preview and its resolve', keyboardIsEnough);
  for (const colorScheme of ['light', 'dark']) {
    await check(`at 360 px nothing scrolls sideways, ${colorScheme}`, () => phoneFits(colorScheme));
    for (const [name, viewport] of Object.entries({ desk: DESK, phone: PHONE })) {
      await check(`axe finds nothing serious, ${colorScheme}, ${name}`, () => axeIsContent(colorScheme, viewport));
    }
  }
  await check('an injected script does not run', injectionIsBlocked);
  await check('no request has left the origin', () => {
    assert.deepEqual(
      requests.filter((url) => new URL(url).origin !== ORIGIN),
      [],
    );
  });
  await check('the browser has complained of nothing', () => assert.deepEqual(complaints, []));
  if (process.env.SCREENSHOTS) await screenshots(process.env.SCREENSHOTS);
}

async function check(name, run) {
  try {
    await run();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.message.replace(/^/gm, '        ')}`);
  } finally {
    for (const context of browser.contexts()) await context.close();
  }
}

// A new page in a profile of its own. What the browser says in it counts, but for what a check provokes.
async function open({ provoked = /^$/, before = async () => {}, ...options } = {}) {
  const context = await browser.newContext({ viewport: DESK, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => complaints.push(`page: ${error.message}`));
  page.on('console', (message) => {
    const counts = ['error', 'warning'].includes(message.type()) && !provoked.test(message.text());
    if (counts) complaints.push(`${message.type()}: ${message.text()}`);
  });
  await before(page);
  await page.goto(HOME);
  await page.locator('#source option').nth(2).waitFor({ state: 'attached' });
  return page;
}

async function sources() {
  const response = await fetch(`${ORIGIN}/setup`, { headers: { accept: 'application/json' } });
  return (await response.json()).sources;
}

async function choose(page, slug) {
  const setUp = page.waitForResponse(`${ORIGIN}/setup/${slug}`);
  await page.selectOption('#source', slug);
  await setUp;
  await page.waitForFunction(() => document.querySelector('#payload').value !== '');
}

// Does what asks for a preview, and returns the relay's reply once the page shows it.
async function preview(page, act = () => page.getByRole('button', { name: 'Preview', exact: true }).click()) {
  const asks = (response, explained) =>
    response.url().startsWith(`${ORIGIN}/preview/`) && /[?&]explain$/.test(response.url()) === explained;
  const answered = page.waitForResponse((response) => asks(response, false));
  // Only a preview with events is explained.
  const explained = page.waitForResponse((response) => asks(response, true)).catch(() => null);
  await act();
  const response = await answered;
  const reply = await response.json();
  if (response.ok()) await page.locator('#message', { hasText: 'Nothing was sent' }).waitFor();
  else await page.locator('#alert strong').waitFor();
  if (response.ok() && reply.events) {
    assert(await explained, 'the page asks where the fields come from');
    await page.locator('article.event .why').first().waitFor({ state: 'attached' });
  }
  return reply;
}

function previewResolve(page) {
  return preview(page, () => page.getByRole('button', { name: 'Preview its resolve' }).click());
}

async function enterSecret(page, secret) {
  const hint = await page.locator('#secret-hint').textContent();
  const own = hint.includes('secret_opsgenie') ? OPSGENIE_SECRET : OWN_SECRET;
  await page.fill('#secret', secret ?? (hint.includes('webhook_secret') ? SECRET : own));
}

async function openAndClose(page, slug) {
  await choose(page, slug);
  await enterSecret(page);
  await preview(page);
  await previewResolve(page);
}

async function policyHoldsTheFile() {
  const response = await fetch(HOME);
  const html = await response.text();
  const policy = response.headers.get('content-security-policy') ?? '';
  const directives = new Map(policy.split(';').map((each) => each.trim().split(/ (.*)/)));
  for (const tag of ['style', 'script']) {
    const found = [...html.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, 'g'))];
    assert.equal(found.length, 1, `one <${tag}> element`);
    const hash = createHash('sha256').update(found[0][1]).digest('base64');
    assert.equal(directives.get(`${tag}-src`), `'sha256-${hash}'`, `${tag}-src`);
  }
  const rest = {
    'default-src': "'none'",
    'connect-src': "'self'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
    'require-trusted-types-for': "'script'",
  };
  for (const [name, value] of Object.entries(rest)) assert.equal(directives.get(name), value, name);
}

async function loadAsksForSetupOnly() {
  const before = requests.length;
  const page = await open();
  await page.waitForLoadState('networkidle');
  assert.deepEqual(requests.slice(before), [HOME, `${ORIGIN}/setup`]);
}

async function opensAndCloses(slug) {
  const page = await open();
  await choose(page, slug);
  await enterSecret(page);
  const { events } = await preview(page);
  const cards = page.locator('article.event');
  assert(events?.length, 'the sample that opens makes no event');
  assert.equal(await cards.count(), events.length, 'one card for each event');
  for (const [index, { body, sha256 }] of events.entries()) {
    const card = cards.nth(index);
    assert.equal(await card.locator('.summary').textContent(), body.payload.summary);
    assert.equal(await card.locator('.severity').textContent(), body.payload.severity);
    assert.equal(await card.locator('.sha').first().textContent(), sha256);
  }
  assert.equal(events[0].event_action, 'trigger');
  const key = events[0].dedup_key;

  await previewResolve(page);
  const setup = await fetch(`${ORIGIN}/setup/${slug}?format=json`);
  if ((await setup.json()).resolves.startsWith('never')) {
    const again = page.locator(`article.event[data-action="trigger"][data-key=${JSON.stringify(key)}]`);
    assert.match(await again.locator('.effect').textContent(), /^PagerDuty merges this into the open alert/);
    return;
  }
  const resolve = page.locator(`article.event[data-action="resolve"][data-key=${JSON.stringify(key)}]`);
  assert.match(await resolve.locator('.effect').textContent(), /^Resolves the open alert/);
  const entry = page.locator('#board li.over', { hasText: key }).first();
  assert.match(await entry.textContent(), /resolved by this event \(same dedup key\)/);
}

async function wrongSecretIsExplained() {
  const page = await open({ provoked: /status of 401/ });
  await choose(page, 'github');
  await enterSecret(page, 'this is not the secret of the relay');
  const { detail } = await preview(page);
  const text = await page.getByRole('alert').textContent();
  assert(text.includes(detail), `the reply's detail: ${text}`);
  assert.match(text, /rejected this secret for GitHub/);
  assert.match(text, /secret_github.*webhook_secret/);
  assert.equal(await page.locator('article.event').count(), 0);
  // The right one puts it straight.
  await enterSecret(page);
  await preview(page);
  assert.equal(await page.locator('#alert').textContent(), '');
}

async function missingSecretIsExplained() {
  const page = await open();
  await choose(page, 'alertmanager');
  const before = requests.length;
  await page.locator('#payload').press('Control+Enter');
  assert.match(await page.getByRole('alert').textContent(), /secret is missing.*secret_alertmanager/);
  assert.equal(requests.length, before);
}

async function markupIsText() {
  const markup = '<img src=x onerror="window.injected = true"><script>window.injected = true</script>';
  const event = {
    event_action: 'trigger',
    dedup_key: `markup ${markup}`,
    client: markup,
    client_url: 'https://client.example/?<b>',
    links: [{ href: 'https://links.example/', text: markup }],
    images: [{ src: 'https://images.example/chart.png', alt: markup }],
    payload: { summary: markup, source: markup, severity: 'error', custom_details: { [markup]: { nested: [markup] } } },
  };
  const page = await open();
  await choose(page, 'events');
  await enterSecret(page);
  await page.fill('#payload', JSON.stringify(event));
  await preview(page);
  assert.equal(await page.locator('.event .summary').textContent(), markup);
  const found = await page.evaluate(() => ({
    injected: window.injected,
    elements: document.querySelectorAll('img, iframe, object, embed, body script ~ script').length,
    links: [...document.links].map((link) => [link.protocol, link.rel, link.target].join(' ')),
  }));
  assert.equal(found.injected, undefined, 'the markup ran');
  assert.equal(found.elements, 0, 'the markup became elements');
  assert(found.links.length > 0);
  for (const link of found.links) assert.match(link, /^https?: noreferrer noopener _blank$/);
  // The mapping lets no such address through; the page does not count on it.
  assert.equal(await page.evaluate(() => link('javascript:alert(1)', 'x').querySelector('a')), null);
}

async function enterCustom(page, name, auth) {
  await page.selectOption('#source', 'custom');
  await page.getByLabel('Template name').fill(name);
  await page.getByLabel('Authentication of the template').fill(auth);
  await page.fill('#payload', '{"id": "a", "title": "T"}');
}

async function customPreviews(name, auth) {
  const page = await open();
  await enterCustom(page, name, auth);
  const hint = await page.locator('#secret-hint').textContent();
  assert(hint.includes(`secret_custom_${name}`) && hint.includes('webhook_secret'), hint);
  await enterSecret(page);
  const reply = await preview(page);
  assert.equal(reply.auth, auth ? 'x-signature, current secret' : 'bearer, current secret');
  assert.equal(await page.locator('article.event').count(), 1);
  const card = page.locator(`article.event[data-action="trigger"][data-key="custom_${name}:a"]`);
  assert.equal(await card.locator('.summary').textContent(), 'T');
}

async function missingAuthIsExplained() {
  const page = await open({ provoked: /status of 401/ });
  await enterCustom(page, 'signed', '');
  await enterSecret(page);
  await preview(page);
  assert.match(await page.getByRole('alert').textContent(), /secret_custom_signed.*webhook_secret.*auth, paste it/);
  assert.equal(await page.locator('article.event').count(), 0);
}

async function wrongAuthIsExplained() {
  const page = await open();
  const before = requests.length;
  const problems = {
    'X-Signature': /is not JSON/,
    '["hmac"]': /has no scheme/,
    '{"scheme": "hmac", "header": 1}': /not an object of strings/,
    '{"scheme": "toString"}': /unknown scheme: “toString”.*standard_webhooks/,
    '{"scheme": "hmac"}': /has no header/,
    '{"scheme": "query"}': /has no parameter/,
    '{"scheme": "hmac", "header": "X-Signature", "hash": "md5"}': /hash “md5”.*sha1/,
    '{"scheme": "hmac", "header": "X-Signature", "signature": "v1"}': /one of timestamp and signature/,
    '{"scheme": "standard_webhooks"}': /whsec_/,
    '{"scheme": "sns"}': /Amazon's own signature/,
  };
  await enterSecret(page);
  for (const [auth, problem] of Object.entries(problems)) {
    await enterCustom(page, 'signed', auth);
    await page.locator('#auth').press('Control+Enter');
    await page.getByRole('alert').filter({ hasText: problem }).waitFor();
  }
  assert.equal(requests.length, before);
}

async function namesWithDotsAreFound() {
  const page = await open();
  const details = {
    'http.status': 503,
    http: { status: 'no', version: 2 },
    'cpu[0]': 'hot',
    'a.b': 1,
    a: { 'b.c': 3 },
  };
  const body = { links: [{ href: 'https://a.example/' }], payload: { custom_details: details } };
  const fields = {
    'links[0].href': 'https://a.example/',
    'payload.custom_details.http.status': '503',
    'payload.custom_details.http.version': '2',
    'payload.custom_details.cpu[0]': 'hot',
    'payload.custom_details.a.b.c': '3',
    'payload.custom_details.absent': '',
  };
  for (const [field, shown] of Object.entries(fields)) {
    assert.equal(await page.evaluate(([body, field]) => valueOf(body, field), [body, field]), shown, field);
  }
  assert.match(await page.evaluate(() => reason({ field: 'client', how: 'unknown' })), /^not explained: /);
}

// Returns the page as markup.
async function assertKeptNowhere(page) {
  const places = await page.evaluate(() => ({
    local: JSON.stringify({ ...localStorage }),
    session: JSON.stringify({ ...sessionStorage }),
    cookie: document.cookie,
    url: location.href,
    state: JSON.stringify(history.state),
    document: document.documentElement.outerHTML,
    text: document.body.innerText,
  }));
  for (const [place, text] of Object.entries(places)) assert(!text.includes(SECRET), `it is in: ${place}`);
  return places.document;
}

function showsSecret(url) {
  return url.includes(encodeURIComponent(SECRET));
}

async function secretIsKeptNowhere() {
  const before = requests.length;
  const page = await open();
  await openAndClose(page, 'alertmanager');
  await page.locator('#real summary').click();
  await page.locator('#curl pre').waitFor();
  assert((await assertKeptNowhere(page)).includes('$SECRET'), 'the curl line has the placeholder');
  assert(!requests.slice(before).some(showsSecret), 'it is in the address of a request');
}

// GitHub signs. Azure and Google Cloud can put it into the query, but not only there, so the page need not.
async function secretOfIsKeptNowhere(slug) {
  const before = requests.length;
  const page = await open();
  await openAndClose(page, slug);
  await unfold(page);
  await assertKeptNowhere(page);
  assert(!requests.slice(before).some(showsSecret), 'it is in the address of a request');
}

// What the relay makes of it is not the point: `custom_plain` has no such auth.
async function secretInQueryIsKeptNowhere() {
  const before = requests.length;
  const page = await open({ provoked: /status of 401/ });
  await enterCustom(page, 'plain', '{"scheme": "query", "parameter": "token"}');
  await enterSecret(page);
  await preview(page);
  await unfold(page);
  await assertKeptNowhere(page);
  const shown = requests.slice(before).filter(showsSecret);
  assert.deepEqual(shown, [`${ORIGIN}/preview/custom/plain?token=${encodeURIComponent(SECRET)}`]);
}

async function payloadIsKept() {
  const page = await open();
  const own = '{"my": "own"}';
  await choose(page, 'alertmanager');
  await page.fill('#payload', own);
  await choose(page, 'github');
  await page.locator('#kept', { hasText: 'Your payload was kept' }).waitFor();
  assert.equal(await page.inputValue('#payload'), own);
  await page.getByRole('button', { name: 'Resolve', exact: true }).click();
  assert.notEqual(await page.inputValue('#payload'), own);
  // Numbers stay as they are written, also those that no double holds.
  assert.match(await page.inputValue('#payload'), /"id": 90071992547409977\b/);
  assert.match(await page.inputValue('#headers'), /^X-GitHub-Event: workflow_run$/im);
}

async function curlIsQuoted() {
  const page = await open();
  await choose(page, 'alertmanager');
  await page.fill('#payload', "it's\nEND_OF_PAYLOAD\nreboot");
  await page.fill('#headers', "X-Name: it's");
  await page.locator('#real summary').click();
  const line = await page.locator('#curl pre').textContent();
  assert(line.endsWith("<<'END_OF_PAYLOAD_'\nit's\nEND_OF_PAYLOAD\nreboot\nEND_OF_PAYLOAD_"), line);
  assert(line.includes(`-H 'x-name: it'\\''s'`), line);
  const custom = async (header) => {
    await enterCustom(page, 'plain', JSON.stringify({ scheme: 'header', header }));
  };
  await custom("x`reboot`$HOME'");
  await page.locator('#curl pre', { hasText: 'reboot' }).waitFor();
  const named = await page.locator('#curl pre').textContent();
  assert(named.includes(`-H 'x\`reboot\`$HOME'\\'': '"$SECRET"`), named);
  await custom('x"; reboot; "');
  assert(await page.locator('#real').isHidden(), 'that is not the name of a header');
  await choose(page, 'github');
  assert(await page.locator('#real').isHidden(), 'GitHub takes no secret, so there is no line for it');
}

async function keyboardIsEnough() {
  const page = await open();
  const tabTo = async (selector) => {
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate((wanted) => {
        const element = document.activeElement;
        return {
          there: element.matches(wanted),
          outline: getComputedStyle(element).outlineStyle,
          name: element.id || element.textContent,
        };
      }, selector);
      assert.notEqual(at.outline, 'none', `focus on ${at.name} cannot be seen`);
      if (at.there) return;
    }
    assert.fail(`Tab does not reach ${selector}`);
  };
  await tabTo('#source');
  await page.keyboard.type('GitH');
  await page.waitForFunction(() => document.querySelector('#payload').value !== '');
  assert.equal(await page.inputValue('#source'), 'github');
  await tabTo('#secret');
  await page.keyboard.type(SECRET);
  await tabTo('button.go');
  await preview(page, () => page.keyboard.press('Enter'));
  await page.locator('article.event[data-action="trigger"]').first().waitFor();
  await tabTo('#next button');
  await preview(page, () => page.keyboard.press('Enter'));
  await page.locator('article.event[data-action="resolve"]').first().waitFor();
}

async function phoneFits(colorScheme) {
  const page = await open({ viewport: PHONE, colorScheme });
  const fits = async (when) => {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(width <= PHONE.width, `${when}: ${width} px wide`);
  };
  await fits('at load');
  for (const slug of ['alertmanager', 'sns', 'datadog']) {
    await openAndClose(page, slug);
    await unfold(page);
    await fits(slug);
  }
  await enterCustom(page, 'signed', SIGNED);
  await fits('a custom mapping');
}

async function unfold(page) {
  await page.evaluate(() => document.querySelectorAll('details').forEach((each) => (each.open = true)));
}

async function axeIsContent(colorScheme, viewport) {
  const page = await open({ colorScheme, viewport, provoked: /status of 401/ });
  await page.evaluate(axe);
  const content = async (when) => {
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
    const lines = serious.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`));
    assert.deepEqual(lines, [], when);
  };
  await content('at load');
  await choose(page, 'datadog');
  await enterSecret(page, 'this is not the secret of the relay');
  await preview(page);
  await content('with an error');
  await enterSecret(page);
  await preview(page);
  await unfold(page);
  await content('after a preview');
  await previewResolve(page);
  await unfold(page);
  await content('after its resolve');
  await enterCustom(page, 'signed', SIGNED);
  await preview(page);
  await unfold(page);
  await content('after a preview of a custom mapping');
}

// Once by the parser, as if the relay's reply had been changed on its way, and once from a script.
async function injectionIsBlocked() {
  const page = await open({
    provoked: /Content Security Policy|'TrustedHTML' assignment/,
    async before(page) {
      await page.addInitScript(() => {
        window.violations = [];
        document.addEventListener('securitypolicyviolation', (event) =>
          window.violations.push(event.effectiveDirective),
        );
      });
      await page.route(HOME, async (route) => {
        const response = await route.fetch();
        const body = (await response.text()).replace('</body>', '<script>window.injected = true</script></body>');
        await route.fulfill({ response, body });
      });
    },
  });
  const refused = await page.evaluate(() => {
    try {
      document.createElement('div').innerHTML = '<b>markup</b>';
      return false;
    } catch {
      return true;
    }
  });
  assert(refused, 'markup can be assigned');
  assert.equal(await page.evaluate(() => window.injected), undefined, 'the injected script ran');
  const violations = await page.evaluate(() => window.violations);
  assert(violations.includes('script-src-elem'), `violations: ${violations}`);
}

async function screenshots(to) {
  const views = { light: { colorScheme: 'light' }, dark: { colorScheme: 'dark' }, phone: { viewport: PHONE } };
  for (const [name, options] of Object.entries(views)) {
    const page = await open(options);
    await openAndClose(page, 'alertmanager');
    await page.screenshot({ path: join(to, `${name}.png`), fullPage: true });
  }
}
