// What the TypeScript clients share: the command line, fixed answers, the report.

// `command` is the address of the server when `wish.transport` is not stdio.
export const [, , mode, wishText, command, ...args] = process.argv;
export const wish = JSON.parse(wishText);
export const env = process.env;
export const identity = { name: 'conflux-tests', version: '1' };
export const capabilities = {
  roots: {},
  sampling: {},
  elicitation: { form: {}, url: {} },
};

export const report = { asked: [], progress: [], logs: [] };

export const answers = {
  'roots/list': { roots: [{ uri: 'file:///x', name: 'x' }] },
  'sampling/createMessage': {
    role: 'assistant',
    content: { type: 'text', text: 'hello' },
    model: 'none',
  },
  'elicitation/create': { action: 'accept', content: { name: 'Ada' } },
};

export function answer(request) {
  report.asked.push(request.method);
  // An address is visited, there is nothing to fill in.
  return request.params?.mode === 'url' ? { action: 'accept' } : answers[request.method];
}

// A refusal is part of the report, not the end of it.
export async function attempt(action) {
  try {
    return { result: await action() };
  } catch (error) {
    return { error: { code: error.code ?? null, message: String(error.message) } };
  }
}

// Follows the pages itself; a server without the capability has nothing to list.
export async function all(list, member) {
  const items = [];
  let cursor;
  do {
    const page = await list(cursor === undefined ? undefined : { cursor });
    items.push(...page[member]);
    cursor = page.nextCursor;
  } while (cursor !== undefined && items.length < 10000);
  return items;
}

export async function fill(client) {
  report.server = client.getServerVersion() ?? null;
  report.capabilities = client.getServerCapabilities() ?? {};
  report.instructions = client.getInstructions() ?? null;
  const has = (name) => report.capabilities[name] !== undefined;
  const list = (able, call, member) => (has(able) ? all(call, member) : []);
  report.tools = await list('tools', (p) => client.listTools(p), 'tools');
  report.resources = await list('resources', (p) => client.listResources(p), 'resources');
  report.templates = await list(
    'resources',
    (p) => client.listResourceTemplates(p),
    'resourceTemplates',
  );
  report.prompts = await list('prompts', (p) => client.listPrompts(p), 'prompts');
}

export async function complete(client) {
  report.completed = [];
  for (const wanted of wish.completions ?? []) {
    report.completed.push(await attempt(() => client.complete(wanted)));
  }
}

export async function done(client) {
  await client.close();
  process.stdout.write(JSON.stringify(report));
}
