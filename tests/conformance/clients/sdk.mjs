// The official TypeScript SDKs: v1 (legacy only) and v2 in its three ways to negotiate.

import assert from 'node:assert/strict';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { checkSession } from '../checks.mjs';

const IDENTITY = { name: 'conformance', version: '1.0.0' };

// The two generations differ only in how callTool takes its options.
function sessionOf(client, callTool) {
  return {
    canProgress: true,
    async listTools() {
      const names = [];
      let cursor;
      do {
        const page = await client.listTools(cursor === undefined ? undefined : { cursor });
        names.push(...page.tools.map((tool) => tool.name));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      return names;
    },
    callTool: (name, args, onprogress) => callTool({ name, arguments: args }, { onprogress }),
    readResource: (uri) => client.readResource({ uri }),
    listTemplates: async () => (await client.listResourceTemplates()).resourceTemplates.map((one) => one.uriTemplate),
    getPrompt: (name, args) => client.getPrompt({ name, arguments: args }),
    complete: (params) => client.complete(params),
  };
}

async function converse(client, transport, callTool, target, report, era) {
  try {
    await client.connect(transport);
    if (era) {
      assert.equal(client.getNegotiatedProtocolVersion(), era);
      report(`speaks ${era}`);
    }
    await checkSession(sessionOf(client, callTool), target, report);
    await client.close();
    report('closes');
  } catch (problem) {
    report('connects and closes', problem);
  }
}

async function runV1(target, report) {
  const client = new ClientV1(IDENTITY);
  const transport = new TransportV1(new URL(target.url), { requestInit: { headers: target.headers } });
  const callTool = (params, options) => client.callTool(params, undefined, options);
  await converse(client, transport, callTool, target, report);
}

async function runV2(mode, era, target, report) {
  const client = new ClientV2(IDENTITY, { versionNegotiation: { mode } });
  const transport = new TransportV2(new URL(target.url), { requestInit: { headers: target.headers } });
  const callTool = (params, options) => client.callTool(params, options);
  await converse(client, transport, callTool, target, report, era);
}

const best = (target) => (target.modern ? '2026-07-28' : '2025-11-25');

export const clients = [
  { name: 'sdk v1', run: runV1 },
  { name: 'sdk v2 legacy', run: (target, report) => runV2('legacy', '2025-11-25', target, report) },
  { name: 'sdk v2 auto', run: (target, report) => runV2('auto', best(target), target, report) },
  {
    name: 'sdk v2 pinned',
    modernOnly: true,
    run: (target, report) => runV2({ pin: '2026-07-28' }, '2026-07-28', target, report),
  },
];
