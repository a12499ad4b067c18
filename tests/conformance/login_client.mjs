// A client of the official SDK that logs in where it is sent, and a request by hand.

import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

/** Nobody listens there: whoever plays the browser hands the code over. */
export const REDIRECT = 'http://127.0.0.1:9/callback';

/** What the SDK keeps for one person at one endpoint. */
export class Login {
  constructor(name, scope, redirect) {
    this.redirectUrl = redirect;
    this.name = name;
    this.saved = {};
    this.clientMetadata = { ...this.clientMetadata, scope, redirect_uris: [redirect] };
  }
  clientMetadata = {
    client_name: 'A client of the tests',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
  };
  state() {
    return `state of ${this.name}`;
  }
  clientInformation() {
    return this.saved.client;
  }
  saveClientInformation(client) {
    this.saved.client = client;
  }
  tokens() {
    return this.saved.tokens;
  }
  saveTokens(tokens) {
    this.saved.tokens = tokens;
    this.saved.times = (this.saved.times ?? 0) + 1;
  }
  saveCodeVerifier(verifier) {
    this.saved.verifier = verifier;
  }
  codeVerifier() {
    return this.saved.verifier;
  }
  saveDiscoveryState(state) {
    this.saved.discovery = state;
  }
  discoveryState() {
    return this.saved.discovery;
  }
  redirectToAuthorization(url) {
    this.saved.asked = url;
  }
}

/**
 * Connects as somebody would: refused, signed in where the client is sent, connected. `walk(url)` plays the browser and resolves to the
 * URL that it is sent back to. Resolves to {client, login, transport}.
 */
export async function logIn(name, url, scope, walk, redirect = REDIRECT) {
  const login = new Login(name, scope, redirect);
  const connect = async () => {
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: login });
    const client = new Client({ name: 'login', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
    await client.connect(transport);
    return { client, login, transport };
  };
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: login });
  const first = new Client({ name: 'login', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  await assert.rejects(first.connect(transport), (problem) => problem instanceof UnauthorizedError || /nauthorized/.test(problem.message));
  assert.ok(login.saved.asked, 'the client was never sent anywhere');
  assert.equal(login.saved.asked.searchParams.get('resource'), url);
  const back = await walk(login.saved.asked);
  assert.equal(back.searchParams.get('state'), login.state());
  assert.ok(back.searchParams.get('code'), `no code came back: ${back}`);
  await transport.finishAuth(back.searchParams);
  return connect();
}

export const textOf = (result) => result.content.map((part) => part.text ?? '').join('');
/** Calls the fixture's tool. */
export const sum = async (client, tool = 'fixture__add') => textOf(await client.callTool({ name: tool, arguments: { a: 40, b: 2 } }));

/** A request by hand: what it was answered with. */
export async function tried(url, token) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'by hand', version: '1' } },
    }),
  });
  await response.text();
  return response.status;
}
