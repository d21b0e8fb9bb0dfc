// An identity provider on a free port of this machine: `oidc-provider`, whose one user agrees to
// everything at once.
//
// It prints {"issuer": "…"}, then answers each line of JSON on stdin with one on stdout, and ends
// when stdin does. Lines: {"do": "rotate"}: it signs with new keys and forgets the old ones;
// {"do": "down" | "hang" | "up"}: connections are closed at once, answered never, served again;
// {"do": "count"}: how often its metadata and its keys were asked for;
// {"do": "sign", "header", "claims", "with"}: a JWT of any content, signed with its key, with
// another one, with its public key as a secret, or not at all.
//
// Clients register themselves, for the scopes that they know of then, or are the client `known`.

import crypto from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import readline from 'node:readline';

import { Provider } from 'oidc-provider';

// Stdout is for answers alone; what the library would rather have is for a real deployment.
console.info = console.error;

const SCOPES = 'mcp repo repo.write';
const ROBOT = { id: 'robot', secret: 'the-robot-has-a-secret-of-its-own' };

const server = http.createServer();
// A connection that rests is not closed: on a busy machine, five seconds may pass until it is used
// again, in the very moment in which it is closed.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const counts = { metadata: 0, keys: 0 };
let number = 0;
let signing;
let provider;

/** Signs with new keys from now on. */
function renew() {
  number += 1;
  signing = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const common = { use: 'sig', alg: 'RS256', kid: `key-${number}` };
  const key = { ...signing.privateKey.export({ format: 'jwk' }), ...common };
  provider = new Provider(issuer, {
    jwks: { keys: [key] },
    cookies: { keys: ['no secret to anybody'] },
    scopes: ['openid', 'offline_access', ...SCOPES.split(' ')],
    pkce: { required: () => true },
    clients: [
      {
        client_id: ROBOT.id,
        client_secret: ROBOT.secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: 'known',
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        redirect_uris: ['http://127.0.0.1:1/callback'],
      },
    ],
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: () => ({ groups: ['platform-team', 'dev'] }),
    interactions: { url: (_ctx, { uid }) => `/agree/${uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: SCOPES,
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
}

/** Logs Alice in and grants all that is asked for. */
async function agree(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    const login = { accountId: 'alice' };
    await provider.interactionFinished(request, response, { login });
    return;
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope ?? 'openid');
  for (const resource of [params.resource ?? []].flat()) {
    grant.addResourceScope(resource, params.scope ?? '');
  }
  const consent = { grantId: await grant.save() };
  const options = { mergeWithLastSubmission: true };
  await provider.interactionFinished(request, response, { consent }, options);
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Makes a JWT of any content; what a provider says by itself is filled in. */
function sign({ header = {}, claims = {}, with: how = 'own' }) {
  const now = Math.floor(Date.now() / 1000);
  const all = { iss: issuer, sub: 'alice', iat: now, exp: now + 600, ...claims };
  const text = `${encode({ alg: 'RS256', kid: `key-${number}`, ...header })}.${encode(all)}`;
  const rsa = (key) => crypto.sign('RSA-SHA256', Buffer.from(text), key);
  const ways = {
    own: () => rsa(signing.privateKey),
    other: () => rsa(crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    public: (form) => {
      const key = signing.publicKey.export(form);
      return crypto.createHmac('sha256', key).update(text).digest();
    },
    none: () => Buffer.alloc(0),
  };
  const made = how === 'public-pem' ? ways.public({ type: 'spki', format: 'pem' })
    : how === 'public-der' ? ways.public({ type: 'pkcs1', format: 'der' })
    : ways[how]();
  return `${text}.${made.toString('base64url')}`;
}

let state = 'up';
server.on('connection', (socket) => {
  if (state === 'down') {
    socket.destroy();
  }
});
server.on('request', (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  if (pathname === '/jwks') {
    counts.keys += 1;
  } else if (pathname.includes('/.well-known/')) {
    counts.metadata += 1;
  }
  if (state === 'hang') {
    return;
  }
  if (pathname.startsWith('/agree/')) {
    agree(request, response).catch((error) => {
      response.writeHead(500).end(String(error));
    });
    return;
  }
  provider.callback()(request, response);
});

function become(next) {
  state = next;
  // Connections that are kept would go on as before.
  server.closeAllConnections();
  return { state };
}

const tasks = {
  rotate: () => {
    renew();
    return { key: `key-${number}` };
  },
  down: () => become('down'),
  hang: () => become('hang'),
  up: () => become('up'),
  count: () => counts,
  sign: (task) => ({ token: sign(task) }),
};

renew();
console.log(JSON.stringify({ issuer, robot: ROBOT }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  console.log(JSON.stringify(tasks[task.do](task)));
}
process.exit(0);
