// The matrix: a client uses every feature of every server named in `wish.walk`, which is
// `[{key, prefix, features: [{feature, expected}]}]`, and reports `[{key, feature, detail}]`, where
// no detail means that it went as expected: `works`, `refused` or, of tasks, `waited`.
//
// A peer has `client`, `call(params, options)`, `task(params)`, `subscribe(uri)`, `events` (lists of
// what came: `tools`, `updated`, `logs`) and `level` (members of `_meta` that ask for log messages).

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { all, report, wish } from './wish.mjs';

const LIMIT = 20_000;
const TEXT = 'größe \u{1f980} "x"\n';

// What a client of a revision can be asked.
export function askable(revision) {
  const elicitation =
    revision < '2025-06-18' ? undefined : revision < '2025-11-25' ? {} : { form: {}, url: {} };
  return { roots: {}, sampling: {}, ...(elicitation && { elicitation }) };
}

async function until(what, check) {
  for (let waited = 0; waited < LIMIT; waited += 10) {
    if (await check()) return;
    await sleep(10);
  }
  assert.fail(`waited in vain for ${what}`);
}

function text(result) {
  assert.notEqual(result.isError, true, JSON.stringify(result.content));
  return result.content[0].text;
}

class Walk {
  constructor(peer, { key, prefix }) {
    Object.assign(this, { peer, key, prefix, state: `matrix://${key}/state` });
  }

  call(name, args = {}, options = {}) {
    const { _meta, ...rest } = options;
    const params = { name: `${this.prefix}${name}`, arguments: args, ...(_meta && { _meta }) };
    return this.peer.call(params, { timeout: LIMIT, ...rest });
  }

  list() {
    const { tools, resources, templates, prompts } = report;
    const has = (items, member, value) =>
      assert.ok(items.some((item) => item[member] === value), `${value} is not listed`);
    has(tools, 'name', `${this.prefix}echo`);
    has(resources, 'uri', this.state);
    has(templates, 'uriTemplate', `matrix://${this.key}/{name}`);
    has(prompts, 'name', `${this.prefix}greet`);
  }


  async call_() {
    assert.equal(text(await this.call('echo', { text: TEXT })), TEXT);
    const prompt = { name: `${this.prefix}greet`, arguments: { name: 'Ada' } };
    const greeting = await this.peer.client.getPrompt(prompt);
    assert.equal(greeting.messages[0].content.text, 'Hello, Ada!');
  }

  async error() {
    const failed = await this.call('fail');
    assert.equal(failed.isError, true);
    assert.equal(failed.content[0].text, 'it failed as asked');
    await assert.rejects(this.call('refuse'), (error) => {
      assert.equal(error.code, 4711, String(error));
      assert.match(error.message, /refused as asked/);
      return true;
    });
  }

  async progress() {
    // The SDKs forget what comes in one piece with the result, and on a busy machine that can be
    // all of it.
    for (let attempt = 1; ; attempt += 1) {
      const seen = [];
      const onprogress = (progress) => seen.push([progress.progress, progress.total]);
      assert.equal(text(await this.call('progress', {}, { onprogress })), 'done');
      assert.deepEqual(seen, [[1, 3], [2, 3], [3, 3]].slice(0, seen.length));
      if (seen.length >= 2) return;
      assert.ok(attempt < 10, `progress came ${seen.length} times`);
    }
  }

  async cancel() {
    const key = randomUUID();
    const controller = new AbortController();
    const onprogress = () => controller.abort('no longer needed');
    await assert.rejects(this.call('wait', { key }, { onprogress, signal: controller.signal }));
    assert.ok(controller.signal.aborted, 'the call ended on its own');
    await until('the server to be told', async () => {
      return text(await this.call('cancelled', { key })) === 'yes';
    });
  }

  async log() {
    const data = randomUUID();
    await this.call('log', { text: data }, { _meta: this.peer.level });
    await until('the log message', () => this.peer.events.logs.some((log) => log.data === data));
  }

  async list_changed() {
    const name = `added_${randomUUID().slice(0, 8)}`;
    const { tools } = this.peer.events;
    let known = tools.length;
    assert.equal(text(await this.call('add_tool', { name })), 'added');
    await until('the added tool', async () => {
      await until('word of a changed list', () => tools.length > known);
      known = tools.length;
      const { client } = this.peer;
      const listed = await all((params) => client.listTools(params), 'tools');
      return listed.some((tool) => tool.name === `${this.prefix}${name}`);
    });
    assert.equal(text(await this.call(name, { text: 'x' })), 'x');
  }

  async subscribe() {
    await this.peer.subscribe(this.state);
    const changed = randomUUID();
    const { updated } = this.peer.events;
    const known = updated.length;
    assert.equal(text(await this.call('touch', { text: changed })), 'touched');
    await until('the update', () => updated.slice(known).some(({ uri }) => uri === this.state));
    const read = await this.peer.client.readResource({ uri: this.state });
    assert.equal(read.contents[0].text, changed);
  }

  async complete() {
    const ref = { type: 'ref/prompt', name: `${this.prefix}greet` };
    const argument = { name: 'name', value: 'Al' };
    const { completion } = await this.peer.client.complete({ ref, argument });
    assert.deepEqual(completion.values, ['Alan', 'Alonzo']);
  }

  async sample() {
    assert.equal(text(await this.call('sample')), 'hello');
  }

  async elicit_form() {
    assert.equal(text(await this.call('elicit_form')), 'accept Ada');
  }

  async elicit_url() {
    assert.equal(text(await this.call('elicit_url')), 'accept');
  }

  async roots() {
    assert.equal(text(await this.call('roots')), 'file:///x');
  }

  async task() {
    assert.equal(text(await this.peer.task({ name: `${this.prefix}task`, arguments: {} })), 'worked');
  }

  // The client cannot be asked, and the tool says so instead of waiting.
  async refused(feature) {
    const outcome = await this.call(feature).catch((error) => {
      assert.equal(typeof error.code, 'number', String(error));
      return { isError: true };
    });
    assert.equal(outcome.isError, true, JSON.stringify(outcome));
  }

  // The client knows no tasks, so its call is simply waited for.
  async waited(feature) {
    assert.equal(text(await this.call(feature)), 'worked');
  }
}

export async function walk(peer) {
  report.walked = [];
  for (const target of wish.walk) {
    const walk = new Walk(peer, target);
    for (const { feature, expected } of target.features) {
      let detail = null;
      try {
        if (expected === 'works') {
          await walk[feature === 'call' ? 'call_' : feature]();
        } else {
          await walk[expected](feature);
        }
      } catch (error) {
        detail = String(error.message ?? error);
      }
      report.walked.push({ key: target.key, feature, detail });
    }
  }
}
