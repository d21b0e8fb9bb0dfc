// A client on @modelcontextprotocol/sdk 1.x.
// Usage: client_sdk1.mjs legacy '{"calls": []}' command args...
// With {"transport": "sse" or "http"} in the wish, the command is a URL.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import {
  answer,
  args,
  attempt,
  capabilities,
  command,
  complete,
  done,
  env,
  fill,
  identity,
  report,
  wish,
} from './wish.mjs';
import { askable, walk } from './features.mjs';

const { transport: kind = 'stdio', revision } = wish;
const client = new Client(identity, {
  capabilities: revision ? askable(revision) : capabilities,
});
const askables = [CreateMessageRequestSchema, ListRootsRequestSchema];
if (!revision || askable(revision).elicitation) {
  askables.push(ElicitRequestSchema);
}
for (const schema of askables) {
  client.setRequestHandler(schema, answer);
}
client.setNotificationHandler(LoggingMessageNotificationSchema, (message) => {
  report.logs.push(message.params);
});
const events = { tools: [], updated: [], logs: report.logs };
client.setNotificationHandler(ToolListChangedNotificationSchema, (message) => {
  events.tools.push(message.params);
});
client.setNotificationHandler(ResourceUpdatedNotificationSchema, (message) => {
  events.updated.push(message.params);
});

const transports = {
  stdio: () => new StdioClientTransport({ command, args, env, stderr: 'inherit' }),
  sse: () => new SSEClientTransport(new URL(command)),
  http: () => new StreamableHTTPClientTransport(new URL(command)),
};
const transport = transports[kind]();
// The SDK tells the revision to its transport, and to nobody else.
const told = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (version) => {
  report.protocol = version;
  told?.(version);
};
if (revision) {
  // Nor has it a setting for the revision it asks for.
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    if (message.method === 'initialize') {
      message.params.protocolVersion = revision;
    }
    return send(message, options);
  };
}
await client.connect(transport);
await fill(client);
if (wish.walk) {
  await client.setLoggingLevel('debug');
  await walk({
    client,
    events,
    call: (params, options) => client.callTool(params, undefined, options),
    subscribe: (uri) => client.subscribeResource({ uri }),
    task: async (params) => {
      const seen = [];
      const options = { task: { ttl: 60_000 } };
      const stream = client.experimental.tasks.callToolStream(params, CallToolResultSchema, options);
      for await (const message of stream) {
        seen.push(message.type);
        if (message.type === 'error') throw message.error;
        if (message.type === 'result' && seen[0] === 'taskCreated') return message.result;
      }
      throw new Error(`the call became no task: ${seen}`);
    },
  });
}
const onprogress = (progress) => report.progress.push(progress);
report.called = [];
for (const call of wish.calls ?? []) {
  report.called.push(await attempt(() => client.callTool(call, undefined, { onprogress })));
}
report.read = [];
for (const uri of wish.reads ?? []) {
  report.read.push(await attempt(() => client.readResource({ uri })));
}
report.prompted = [];
for (const prompt of wish.prompts ?? []) {
  report.prompted.push(await attempt(() => client.getPrompt(prompt)));
}
await complete(client);
await done(client);
