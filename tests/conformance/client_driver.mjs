// What the suite's client leg starts, once per scenario: a gateway over the suite's server, and a client of that gateway that
// does what the scenario wants. The suite then judges what reached its server, which is the gateway's work as a client.
//
//   client_driver.mjs URL      with MCP_CONFORMANCE_SCENARIO, _PROTOCOL_VERSION, _CONTEXT and SALLYPORT_BINARY in the environment

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { killAll } from './processes.mjs';
import { httpServer, openDoor, startSallyport } from './sallyport.mjs';

const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const version = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');

const call = (client, name, args = {}) => client.callTool({ name, arguments: args });

/** What the scenarios want; any other is served by reading every list. */
const PARTS = {
  tools_call: (client) => call(client, 'add_numbers', { a: 5, b: 3 }),
  'elicitation-sep1034-client-defaults': (client) => call(client, 'test_client_elicitation_defaults'),
  'sse-retry': (client) => call(client, 'test_reconnection'),
  async 'sep-2322-client-request-state'(client) {
    // Another call in the midst of one that asks: nothing of the one may show in the other.
    client.setRequestHandler('elicitation/create', async () => {
      await call(client, 'test_mrtr_unrelated');
      return { action: 'accept', content: { confirmed: true } };
    });
    for (const name of ['test_mrtr_echo_state', 'test_mrtr_no_state', 'test_mrtr_no_result_type']) await call(client, name);
  },
  async 'http-custom-headers'(client) {
    for (const { name, arguments: args } of context.toolCalls) await call(client, name, args);
  },
  async 'http-invalid-tool-headers'(client, { tools }) {
    for (const { name } of tools) await call(client, name, name === 'valid_tool' ? { region: 'eu' } : {});
  },
  async 'http-standard-headers'(client, { tools, resources, prompts }) {
    for (const { name } of tools) await call(client, name);
    for (const { uri } of resources) await client.readResource({ uri });
    for (const { name } of prompts) await client.getPrompt({ name });
  },
  'json-schema-2020-12-preservation': (client, { tools }) =>
    call(client, 'json_schema_echo', { schema: tools.find((tool) => tool.name === 'json_schema_2020_12_tool').inputSchema }),
};

async function play(url) {
  const client = new Client(
    { name: 'driver', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
      versionNegotiation: { mode: version === '2026-07-28' ? { pin: version } : 'legacy' },
    },
  );
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: {} }));
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const { tools } = await client.listTools();
  const { resources } = await client.listResources();
  const { prompts } = await client.listPrompts();
  await PARTS[scenario]?.(client, { tools, resources, prompts });
  await client.close();
}

async function main() {
  const gateway = await startSallyport({
    binary: process.env.SALLYPORT_BINARY,
    documents: [httpServer('peer', process.argv[2]), openDoor('door', 'peer')],
  });
  try {
    await gateway.command('server', 'test', 'peer');
    await play(`${gateway.base}/mcp/door`);
  } catch (problem) {
    console.error(gateway.log());
    throw problem;
  } finally {
    await gateway.stop();
  }
}

// Those about authorization are no part of this; the suite starts them all the same.
if (!scenario.startsWith('auth/')) {
  try {
    await main();
  } catch (problem) {
    console.error(problem);
    process.exitCode = 1;
  } finally {
    killAll();
  }
}
