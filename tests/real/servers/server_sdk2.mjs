// A server on @modelcontextprotocol/server 2.x: the modern revision, over stdio and HTTP.
// Usage: server_sdk2.mjs --transport stdio|http --revision 2026-07-28 --key KEY

import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, inputRequired, Server } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as common from './common.mjs';

const capabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true },
  prompts: {},
  logging: {},
  completions: {},
};
const requests = {
  sample: () => inputRequired.createMessage(common.sampling),
  elicit_form: () => inputRequired.elicit(common.form),
  elicit_url: () => inputRequired.elicitUrl(common.url),
  roots: () => inputRequired.listRoots(),
};

// Over HTTP changes are told to the handler, over stdio to the one server.
let notify;

function ask(name, ctx) {
  const answer = ctx.mcpReq.inputResponses?.answer;
  if (answer) return common.text(common.told[name](answer));
  return inputRequired({ inputRequests: { answer: requests[name]() } });
}

const own = {
  log: async (args, ctx) => {
    await ctx.mcpReq.log('info', args.text);
    return common.text('logged');
  },
  add_tool: async (args) => {
    common.shared.added.push(args.name);
    await notify.toolsChanged();
    return common.text('added');
  },
  touch: async (args) => {
    common.shared.text = args.text;
    await notify.resourceUpdated(common.state);
    return common.text('touched');
  },
  task: () => common.work(),
};

async function call({ params: { name, arguments: args } }, ctx) {
  if (!common.tools().some((tool) => tool.name === name)) {
    throw Object.assign(new Error(`unknown tool \`${name}\``), { code: -32602 });
  }
  const progressToken = ctx.mcpReq._meta?.progressToken;
  const report = async (progress, total) => {
    if (progressToken !== undefined) {
      const params = { progressToken, progress, total };
      await ctx.mcpReq.notify({ method: 'notifications/progress', params });
    }
  };
  if (common.plain[name]) return common.plain[name](args, { report, signal: ctx.mcpReq.signal });
  if (own[name]) return own[name](args, ctx);
  if (requests[name]) return ask(name, ctx);
  return common.text(args.text);
}

function session() {
  const server = new Server({ name: 'matrix-sdk2', version: '1' }, { capabilities });
  server.setRequestHandler('tools/list', () => ({ tools: common.tools() }));
  server.setRequestHandler('tools/call', call);
  server.setRequestHandler('resources/list', () => ({
    resources: [{ uri: common.state, name: 'state' }],
  }));
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: [{ uriTemplate: common.template, name: 'any' }],
  }));
  server.setRequestHandler('resources/read', () => ({
    contents: [{ uri: common.state, text: common.shared.text }],
  }));
  server.setRequestHandler('prompts/list', common.prompts);
  server.setRequestHandler('prompts/get', ({ params }) => common.greet(params.arguments));
  server.setRequestHandler('completion/complete', ({ params }) =>
    common.completion(params.argument.value),
  );
  return server;
}

if (common.transport === 'stdio') {
  const factory = () => {
    const server = session();
    notify = {
      toolsChanged: () => server.sendToolListChanged(),
      resourceUpdated: (uri) => server.sendResourceUpdated({ uri }),
    };
    return server;
  };
  serveStdio(factory, { legacy: 'reject' });
} else {
  const handler = createMcpHandler(session, { legacy: 'reject' });
  notify = handler.notify;
  common.listen(toNodeHandler(handler), '/mcp');
}
