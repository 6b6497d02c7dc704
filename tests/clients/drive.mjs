// The npm clients of PagerDuty's Events API and Opsgenie's Alert API, unchanged but for URL and key.
//
// Usage: node drive.mjs <folder with node_modules> <client> <settings as JSON: url, key, wrong_key> <step>...
//
// For each step it writes one line of JSON: what the client returned to its caller, or its error. Waits before a second
// attempt are made short with the client's own settings; what is sent again, and after which answers, is the client's own
// decision.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, name, settings, ...steps] = process.argv.slice(2);
const require = createRequire(join(folder, 'package.json'));
const SUMMARY = 'The disk of db-1 is full';
const WAIT = 20;

// `server` is a host with a path, always by https. It checks no status itself, so its caller does.
class Pdjs {
  constructor(url, key) {
    this.client = require('@pagerduty/pdjs');
    this.server = url.replace('https://', '');
    this.key = key;
  }
  async send(call, event) {
    const { status, data } = await call({
      server: this.server, retryTimeout: WAIT, data: { routing_key: this.key, ...event },
    });
    if (status !== 202) throw new Error(`${status}: ${data.status}: ${data.message}`);
    return data.dedup_key ?? data.status;
  }
  trigger() {
    const payload = { summary: SUMMARY, source: 'db-1', severity: 'critical' };
    return this.send(this.client.trigger, { payload });
  }
  acknowledge(key) { return this.send(this.client.acknowledge, { dedup_key: key }); }
  resolve(key) { return this.send(this.client.resolve, { dedup_key: key }); }
  change() { return this.send(this.client.change, { payload: { summary: 'Version 7 is out', source: 'deployer' } }); }
}

// `host` is a URL with a path. Paths end with a slash, and aliases are sent as they are.
class OpsgenieSdk {
  constructor(url, key) {
    this.client = require('opsgenie-sdk');
    this.client.configure({ host: url, api_key: key });
  }
  call(action, ...args) {
    return new Promise((resolve, reject) => {
      const done = (error, answer) => error ? reject(new Error(JSON.stringify(error))) : resolve(answer);
      action(...args, { retryDelay: WAIT }, done);
    });
  }
  async result(answer) {
    const { data } = await this.call(this.client.alertV2.getRequestStatus, answer.requestId);
    return {
      requestId: answer.requestId, result: answer.result, success: data.isSuccess, alertId: data.alertId, alias: data.alias,
    };
  }
  async create() {
    const alert = { message: SUMMARY, alias: 'db-1/disk', entity: 'db-1', priority: 'P1', tags: ['disk'], details: { used: '97 %' } };
    return this.result(await this.call(this.client.alertV2.create, alert));
  }
  async acknowledge({ alertId }) {
    return this.result(await this.call(this.client.alertV2.acknowledge, { identifier: alertId, identifierType: 'id' }, { user: 'ada' }));
  }
  async note({ alias }) {
    const { requestId, result } =
      await this.call(this.client.alertV2.addNote, { identifier: alias, identifierType: 'alias' }, { note: 'The log is the largest' });
    return { requestId, result };
  }
  async close({ alias }) {
    return this.result(await this.call(this.client.alertV2.close, { identifier: alias, identifierType: 'alias' }, { note: 'There is room again' }));
  }
}

const clients = { '@pagerduty/pdjs': Pdjs, 'opsgenie-sdk': OpsgenieSdk };
const { url, key, wrong_key } = JSON.parse(settings);
let first = null;
// The clients write about their errors themselves, and here each line is a step.
console.log = () => {};
for (const step of steps) {
  // With a key that is not the relay's, the first step must be an error for its caller.
  const wrong = step === 'wrong_key';
  const client = new clients[name](url, wrong ? wrong_key : key);
  let said;
  try {
    const returned = await client[wrong ? steps[0] : step](first);
    first ??= returned;
    said = { returned };
  } catch (error) {
    said = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify({ step, ...said })}\n`);
}
// PDJS leaves a timer behind.
process.exit();
