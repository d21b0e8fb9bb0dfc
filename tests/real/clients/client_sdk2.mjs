// A client on @modelcontextprotocol/client 2.x.
// Usage: client_sdk2.mjs legacy|auto|modern '{"calls": []}' command args...

import { Client } from '@modelcontextprotocol/client';
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

const modes = { legacy: 'legacy', auto: 'auto', modern: { pin: '2026-07-28' } };
const client = new Client(identity, {
  capabilities,
  versionNegotiation: { mode: modes[mode], probe: { timeoutMs: 2000 } },
});
for (const method of Object.keys(answers)) {
  client.setRequestHandler(method, () => answer(method));
}
client.setNotificationHandler('notifications/message', (message) => {
  report.logs.push(message.params);
});

await client.connect(new StdioClientTransport({ command, args, env, stderr: 'inherit' }));
report.protocol = client.getNegotiatedProtocolVersion() ?? null;
await fill(client);
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
