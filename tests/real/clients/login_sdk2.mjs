// A client on @modelcontextprotocol/client 2.x that logs in where the server says.
// Usage: login_sdk2.mjs legacy|modern '{"calls": ["tool"], "client": "id"}' URL
// Without an id it registers itself. It prints {"tools", "called", "asked": [{scope, resource}],
// "registered", "same"}: whether all was in one session.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { login } from './browser.mjs';

const [mode, wish, address] = process.argv.slice(2);
const { calls, client: id } = JSON.parse(wish);
const REDIRECT = 'http://127.0.0.1:1/callback';
const report = { tools: [], called: [], asked: [], registered: 0 };

/** Keeps what a client is to keep, and has the user log in at once. */
class Person {
  client = id && { client_id: id };

  get redirectUrl() {
    return REDIRECT;
  }

  get clientMetadata() {
    return {
      client_name: 'tests',
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    };
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    report.registered += 1;
    this.client = client;
  }

  tokens() {
    return this.kept;
  }

  saveTokens(tokens) {
    this.kept = tokens;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }

  saveDiscoveryState(state) {
    this.discovery = state;
  }

  discoveryState() {
    return this.discovery;
  }

  async redirectToAuthorization(url) {
    const asked = (name) => url.searchParams.get(name);
    report.asked.push({ scope: asked('scope'), resource: asked('resource') });
    this.back = await login(url, REDIRECT);
  }
}

const person = new Person();
const version = mode === 'modern' ? { pin: '2026-07-28' } : 'legacy';
const make = () => new Client({ name: 'tests', version: '1' }, { versionNegotiation: { mode: version } });
const open = () => new StreamableHTTPClientTransport(new URL(address), { authProvider: person });

/** Does something; logs in first if that is needed. */
async function authorized(transport, act) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) {
      throw error;
    }
    await transport().finishAuth(person.back.searchParams);
    return act();
  }
}

let [client, transport] = [make(), open()];
await authorized(
  () => transport,
  async () => {
    if (person.kept) {
      [client, transport] = [make(), open()];
    }
    await client.connect(transport);
  },
);
report.tools = (await client.listTools()).tools.map(({ name }) => name);
const session = transport.sessionId;
for (const name of calls) {
  const result = await authorized(() => transport, () => client.callTool({ name, arguments: {} }));
  report.called.push(result);
}
report.same = transport.sessionId === session;
await client.close();
console.log(JSON.stringify(report));
