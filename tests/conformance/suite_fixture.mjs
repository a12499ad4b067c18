// The server that the official conformance suites expect, in both eras on one URL: 2025-11-25 with sessions, streams that can
// be resumed and questions to the client; 2026-07-28 with everything per request. Prints "ready: URL".
// GET /counts on the same port tells what really happened here, whatever a client in between reports; POST /reset takes away
// the tool and the prompt that come and go.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import {
  NodeStreamableHTTPServerTransport,
  localhostHostValidation,
  localhostOriginValidation,
  toNodeHandler,
  toWebRequest,
} from '@modelcontextprotocol/node';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';
import { EventStore } from './suite/event_store.mjs';
import { Hub } from './suite/hub.mjs';
import { makeServer } from './suite/server.mjs';

const hub = new Hub();
const modern = createMcpHandler(() => makeServer(hub), { legacy: 'reject' });
hub.modern = modern.notify;
const serveModern = toNodeHandler(modern);

const sessions = new Map();

const refuse = (response, status, code, message) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code, message } }));
};

async function openSession() {
  const server = makeServer(hub);
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new EventStore(),
    retryInterval: 500,
    onsessioninitialized: (id) => {
      sessions.set(id, transport);
      hub.join(server);
    },
  });
  transport.onclose = () => {
    sessions.delete(transport.sessionId);
    hub.leave(server);
  };
  await server.connect(transport);
  return transport;
}

async function serveLegacy(request, response, body) {
  const id = request.headers['mcp-session-id'];
  if (id !== undefined && !sessions.has(id)) return refuse(response, 404, -32001, 'Session not found');
  if (id === undefined && body?.method !== 'initialize') return refuse(response, 400, -32000, 'A session id is required');
  const transport = sessions.get(id) ?? (await openSession());
  return transport.handleRequest(request, response, body);
}

const checkHost = localhostHostValidation();
const checkOrigin = localhostOriginValidation();

const http = createServer(async (request, response) => {
  if (!checkHost(request, response) || !checkOrigin(request, response)) return;
  if (request.url === '/counts' || request.url === '/reset') {
    if (request.url === '/reset') hub.reset();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...hub.counts, sessions: sessions.size }));
    return;
  }
  let body;
  if (request.method === 'POST') {
    let bytes = '';
    for await (const piece of request) bytes += piece;
    try {
      body = JSON.parse(bytes);
    } catch {
      return refuse(response, 400, -32700, 'Parse error');
    }
  }
  if (await isLegacyRequest(await toWebRequest(request, body), body)) await serveLegacy(request, response, body);
  else await serveModern(request, response, body);
});
http.keepAliveTimeout = 60_000;
http.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`ready: http://127.0.0.1:${http.address().port}/mcp`);
});
