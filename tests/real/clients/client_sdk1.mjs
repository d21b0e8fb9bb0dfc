// A client on @modelcontextprotocol/sdk 1.x.
// Usage: client_sdk1.mjs legacy '{"calls": []}' command args...

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
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

const client = new Client(identity, { capabilities });
for (const schema of [CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema]) {
  client.setRequestHandler(schema, (request) => answer(request.method));
}
client.setNotificationHandler(LoggingMessageNotificationSchema, (message) => {
  report.logs.push(message.params);
});

const transport = new StdioClientTransport({ command, args, env, stderr: 'inherit' });
// The SDK tells the revision to its transport, and to nobody else.
transport.setProtocolVersion = (version) => {
  report.protocol = version;
};
await client.connect(transport);
await fill(client);
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
