// A real identity provider (npm oidc-provider) on a port of its own, whose keys and health are in the caller's hand.
//
//   identity_provider.mjs        prints "ready http://127.0.0.1:PORT"
//   POST /control {"keys": ["a","b"], "down": false, "clients": [...]}   the first key signs; down: every request is answered with 503;
//                                                                         clients that are registered by hand

import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const keys = new Map();
function jwk(kid) {
  if (!keys.has(kid)) {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    keys.set(kid, { ...pair.privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' });
  }
  return keys.get(kid);
}

/** Whoever signs in is who they say; the name decides the groups. */
const account = (ctx, id) => ({
  accountId: id,
  claims: () => ({
    sub: id,
    email: `${id}@example.com`,
    email_verified: id !== 'mallory',
    groups: id === 'alice' ? ['readers'] : [],
  }),
});

function provider(issuer, kids, clients) {
  const made = new Provider(issuer, {
    jwks: { keys: kids.map(jwk) },
    findAccount: account,
    scopes: ['openid', 'offline_access', 'email', 'groups', 'mcp'],
    claims: { email: ['email', 'email_verified'], groups: ['groups'] },
    conformIdTokenClaims: false,
    clients,
    clientDefaults: { token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] },
    cookies: { keys: ['only for tests'] },
    features: {
      registration: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: 'mcp',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: Number(process.env.ACCESS_TOKEN_SECONDS ?? 15),
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    issueRefreshToken: () => true,
    extraTokenClaims: (ctx, token) => ({
      email: `${token.accountId}@example.com`,
      email_verified: token.accountId !== 'mallory',
      groups: token.accountId === 'alice' ? ['readers'] : [],
    }),
    pkce: { required: () => true },
  });
  made.on('server_error', (ctx, problem) => console.error(problem));
  return made.callback();
}

let serve;
let clients = [];
let kids = ['first'];
let down = false;
const server = createServer(async (request, response) => {
  if (request.url === '/control') {
    let body = '';
    for await (const bytes of request) body += bytes;
    const wanted = JSON.parse(body);
    if (wanted.keys) kids = wanted.keys;
    if (wanted.clients) clients = wanted.clients;
    if (wanted.keys || wanted.clients) serve = provider(issuer, kids, clients);
    if (wanted.down !== undefined) down = wanted.down;
    response.writeHead(204).end();
  } else if (down) {
    response.writeHead(503).end('down');
  } else {
    serve(request, response);
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
serve = provider(issuer, kids, clients);
console.log(`ready ${issuer}`);
