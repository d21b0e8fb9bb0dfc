// What the TypeScript servers share: the command line, the catalog, the tools that ask nobody.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    transport: { type: 'string', default: 'stdio' },
    revision: { type: 'string' },
    key: { type: 'string' },
  },
});
export const { transport, revision, key } = values;
export const catalog = JSON.parse(readFileSync(new URL('catalog.json', import.meta.url), 'utf8'));
export const state = `matrix://${key}/state`;
export const template = `matrix://${key}/${catalog.template}`;

// How long `wait` waits to be cancelled, in milliseconds.
const PATIENCE = 20_000;

// What all sessions of the process have in common.
export const shared = { added: [], cancelled: new Set(), text: 'untouched' };

export function tools() {
  const known = catalog.tools.filter((tool) => (tool.since ?? '') <= revision);
  const added = shared.added.map((name) => ({ ...catalog.tools[0], name }));
  return [...known, ...added].map((tool) => ({
    name: tool.name,
    description: tool.description,
    inputSchema: {
      type: 'object',
      properties: Object.fromEntries(tool.arguments.map((name) => [name, { type: 'string' }])),
    },
  }));
}

export function text(content) {
  return { content: [{ type: 'text', text: content }] };
}

export function prompts() {
  const { name, description, argument } = catalog.prompt;
  return { prompts: [{ name, description, arguments: [{ name: argument }] }] };
}

export function greet(args) {
  const content = { type: 'text', text: `Hello, ${args.name}!` };
  return { messages: [{ role: 'user', content }] };
}

export function completion(value) {
  return { completion: { values: catalog.completions.filter((name) => name.startsWith(value)) } };
}

export const sampling = {
  messages: [{ role: 'user', content: { type: 'text', text: catalog.sampling } }],
  maxTokens: 10,
};
export const form = { message: catalog.form.message, requestedSchema: catalog.form.schema };
export const url = { message: catalog.url.message, url: catalog.url.url };

// How an answer to each question is told.
export const told = {
  sample: (answer) => answer.content.text,
  elicit_form: (answer) => `${answer.action} ${answer.content?.name}`,
  elicit_url: (answer) => answer.action,
  roots: (answer) => answer.roots[0].uri,
};

export async function work() {
  await sleep(50);
  return text('worked');
}

// The tools that need no more than `report(step, total)` and `signal`.
export const plain = {
  fail: () => ({ ...text(catalog.failure), isError: true }),
  refuse: () => {
    throw Object.assign(new Error(catalog.refusal.message), { code: catalog.refusal.code });
  },
  progress: async (_args, { report }) => {
    for (const step of [1, 2, 3]) {
      await report(step, 3);
      await sleep(10);
    }
    return text('done');
  },
  wait: async (args, { report, signal }) => {
    await report(1, 1);
    try {
      await sleep(PATIENCE, undefined, { signal });
    } catch (error) {
      shared.cancelled.add(args.key);
      throw error;
    }
    return text('nobody cancelled');
  },
  cancelled: (args) => text(shared.cancelled.has(args.key) ? 'yes' : 'no'),
};

// Serves HTTP on a free port until stdin closes; prints where.
export function listen(handle, path) {
  const http = createServer((request, response) => {
    handle(request, response).catch((error) => {
      console.error(error);
      response.destroy();
    });
  });
  http.listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ url: `http://127.0.0.1:${http.address().port}${path}` }));
  });
  process.stdin.on('end', () => process.exit(0)).resume();
}
