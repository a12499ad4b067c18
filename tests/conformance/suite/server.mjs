// One server of the fixture: per session in 2025-11-25, per request in 2026-07-28.

import { randomBytes } from 'node:crypto';
import { McpServer, createRequestStateCodec } from '@modelcontextprotocol/server';
import { registerAskingTools } from './asking_tools.mjs';
import { registerPrompts } from './prompts.mjs';
import { registerResources } from './resources.mjs';
import { registerTools } from './tools.mjs';

// One key for all servers: a later round of a call reaches another one.
const states = createRequestStateCodec({ key: randomBytes(32) });

export function makeServer(hub) {
  const server = new McpServer(
    { name: 'suite-fixture', version: '1.0.0' },
    {
      instructions: 'Everything that the conformance suites ask for.',
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        completions: {},
        logging: {},
      },
      requestState: { verify: states.verify },
    },
  );
  const counted = counting(server, hub);
  server.subscriptions = new Set();
  server.dynamic = { tools: registerTools(counted, hub), prompts: registerPrompts(server, hub) };
  registerAskingTools(counted, server, states);
  registerResources(server, hub);
  return server;
}

/** registerTool, with every call counted. */
function counting(server, hub) {
  return (name, config, handler) =>
    server.registerTool(name, config, async (...passed) => {
      const { signal } = passed.at(-1).mcpReq;
      hub.count('entered', name);
      signal.addEventListener('abort', () => hub.count('cancelled', name), { once: true });
      const result = await handler(...passed);
      hub.count(result.resultType === 'input_required' ? 'asked' : 'done', name);
      return result;
    });
}
