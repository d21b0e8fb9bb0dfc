// A server on @modelcontextprotocol/sdk 1.x: the legacy revisions, over every transport.
// Usage: server_sdk1.mjs --transport stdio|sse|http --revision 2025-11-25 --key KEY

import { randomUUID } from 'node:crypto';
import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListRootsResultSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import * as common from './common.mjs';

const hasTasks = common.revision >= '2025-11-25';
const taskStore = new InMemoryTaskStore();
const capabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true },
  prompts: {},
  logging: {},
  completions: {},
  ...(hasTasks && { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } }),
};
const sessions = new Set();

const questions = {
  sample: ['sampling/createMessage', common.sampling, CreateMessageResultSchema],
  elicit_form: ['elicitation/create', common.form, ElicitResultSchema],
  elicit_url: [
    'elicitation/create',
    { ...common.url, mode: 'url', elicitationId: common.catalog.url.id },
    ElicitResultSchema,
  ],
  roots: ['roots/list', undefined, ListRootsResultSchema],
};

async function ask(name, extra) {
  const [method, params, schema] = questions[name];
  try {
    return common.text(common.told[name](await extra.sendRequest({ method, params }, schema)));
  } catch (error) {
    // The client refused what it was asked.
    return { ...common.text(error.message), isError: true };
  }
}

async function task(request, extra) {
  if (!request.params.task) {
    return common.work();
  }
  const task = await extra.taskStore.createTask({ ttl: 60_000, pollInterval: 20 });
  common
    .work()
    .then((result) => extra.taskStore.storeTaskResult(task.taskId, 'completed', result));
  return { task };
}

function session() {
  const identity = { name: 'matrix-sdk1', version: '1' };
  const server = new Server(identity, { capabilities, taskStore: hasTasks ? taskStore : undefined });
  const subscribed = new Set();

  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: common
      .tools()
      .map((tool) => (tool.name === 'task' ? { ...tool, execution: { taskSupport: 'optional' } } : tool)),
  }));
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: [{ uri: common.state, name: 'state' }],
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: common.template, name: 'any' }],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, () => ({
    contents: [{ uri: common.state, text: common.shared.text }],
  }));
  server.setRequestHandler(SubscribeRequestSchema, (request) => {
    subscribed.add(request.params.uri);
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, (request) => {
    subscribed.delete(request.params.uri);
    return {};
  });
  server.setRequestHandler(ListPromptsRequestSchema, common.prompts);
  server.setRequestHandler(GetPromptRequestSchema, (r) => common.greet(r.params.arguments));
  server.setRequestHandler(CompleteRequestSchema, (r) =>
    common.completion(r.params.argument.value),
  );

  const own = {
    log: async (args, extra) => {
      const params = { level: 'info', data: args.text };
      await extra.sendNotification({ method: 'notifications/message', params });
      return common.text('logged');
    },
    add_tool: async (args) => {
      common.shared.added.push(args.name);
      await Promise.all([...sessions].map((session) => session.added()));
      return common.text('added');
    },
    touch: async (args) => {
      common.shared.text = args.text;
      await Promise.all([...sessions].map((session) => session.touched()));
      return common.text('touched');
    },
  };
  server.setRequestHandler(CallToolRequestSchema, async (request, extra) => {
    const { name, arguments: args } = request.params;
    if (!common.tools().some((tool) => tool.name === name)) {
      throw Object.assign(new Error(`unknown tool \`${name}\``), { code: -32602 });
    }
    const progressToken = request.params._meta?.progressToken;
    const report = async (progress, total) => {
      if (progressToken !== undefined) {
        const params = { progressToken, progress, total };
        await extra.sendNotification({ method: 'notifications/progress', params });
      }
    };
    if (common.plain[name]) return common.plain[name](args, { report, signal: extra.signal });
    if (own[name]) return own[name](args, extra);
    if (questions[name]) return ask(name, extra);
    if (name === 'task') return task(request, extra);
    return common.text(args.text);
  });

  const entry = {
    added: () => server.sendToolListChanged().catch(() => {}),
    touched: async () => {
      if (subscribed.has(common.state)) {
        await server.sendResourceUpdated({ uri: common.state }).catch(() => {});
      }
    },
  };
  return {
    async connect(transport) {
      await server.connect(transport);
      // The SDK has no setting for the revisions it agrees to, so it is asked for one.
      const deliver = transport.onmessage;
      transport.onmessage = (message, extra) => {
        if (message.method === 'initialize') {
          message.params.protocolVersion = common.revision;
        }
        deliver(message, extra);
      };
      sessions.add(entry);
      server.onclose = () => sessions.delete(entry);
    },
  };
}

const open = new Map();

async function sse(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (request.method === 'GET' && pathname === '/sse') {
    const transport = new SSEServerTransport('/messages', response);
    open.set(transport.sessionId, transport);
    await session().connect(transport);
  } else {
    const transport = open.get(searchParams.get('sessionId'));
    if (!transport) return void response.writeHead(404).end();
    await transport.handlePostMessage(request, response);
  }
}

async function http(request, response) {
  let transport = open.get(request.headers['mcp-session-id']);
  if (!transport && request.headers['mcp-session-id']) {
    return void response.writeHead(404).end();
  }
  if (!transport) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => open.set(id, transport),
    });
    await session().connect(transport);
  }
  await transport.handleRequest(request, response);
}

if (common.transport === 'stdio') {
  await session().connect(new StdioServerTransport());
  process.stdin.on('end', () => process.exit(0));
} else if (common.transport === 'sse') {
  common.listen(sse, '/sse');
} else {
  common.listen(http, '/mcp');
}
