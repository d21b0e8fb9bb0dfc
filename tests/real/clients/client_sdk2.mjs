// A client on @modelcontextprotocol/client 2.x.
// Usage: client_sdk2.mjs legacy|auto|modern '{"calls": []}' command args...
// With {"transport": "sse" or "http"} in the wish, the command is a URL.

import {
  Client,
  SSEClientTransport,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import {
  answer,
  answers,
  args,
  attempt,
  capabilities,
  command,
  complete,
  done,
  env,
  fill,
  identity,
  mode,
  report,
  wish,
} from './wish.mjs';
import { askable, walk } from './features.mjs';

const { transport = 'stdio', revision } = wish;
const modes = { legacy: 'legacy', auto: 'auto', modern: { pin: '2026-07-28' } };
const client = new Client(identity, {
  capabilities: revision ? askable(revision) : capabilities,
  ...(revision && { supportedProtocolVersions: [revision] }),
  versionNegotiation: { mode: modes[mode], probe: { timeoutMs: 20_000 } },
});
for (const method of Object.keys(answers)) {
  if (method !== 'elicitation/create' || !revision || askable(revision).elicitation) {
    client.setRequestHandler(method, answer);
  }
}
client.setNotificationHandler('notifications/message', (message) => {
  report.logs.push(message.params);
});
const events = { tools: [], updated: [], logs: report.logs };
client.setNotificationHandler('notifications/tools/list_changed', (message) => {
  events.tools.push(message.params);
});
client.setNotificationHandler('notifications/resources/updated', (message) => {
  events.updated.push(message.params);
});

const transports = {
  stdio: () => new StdioClientTransport({ command, args, env, stderr: 'inherit' }),
  sse: () => new SSEClientTransport(new URL(command)),
  http: () => new StreamableHTTPClientTransport(new URL(command)),
};
await client.connect(transports[transport]());
report.protocol = client.getNegotiatedProtocolVersion() ?? null;
await fill(client);
if (wish.walk) {
  const isModern = mode === 'modern';
  if (isModern) {
    const resourceSubscriptions = wish.walk.map(({ key }) => `matrix://${key}/state`);
    await client.listen({ toolsListChanged: true, resourceSubscriptions });
  } else {
    await client.setLoggingLevel('debug');
  }
  await walk({
    client,
    events,
    level: isModern ? { 'io.modelcontextprotocol/logLevel': 'debug' } : undefined,
    call: (params, options) => client.callTool(params, options),
    subscribe: (uri) => (isModern ? undefined : client.subscribeResource({ uri })),
  });
}
const onprogress = (progress) => report.progress.push(progress);
report.called = [];
for (const call of wish.calls ?? []) {
  report.called.push(await attempt(() => client.callTool(call, { onprogress })));
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
