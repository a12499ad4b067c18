// A small server on the official SDK v2 that answers both eras on one endpoint. Prints "ready: URL".

import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, ResourceTemplate, completable, createMcpHandler } from '@modelcontextprotocol/server';
import { z } from 'zod';

const NAMES = ['ada', 'alan', 'grace'];
const LANGUAGES = ['english', 'espanol', 'deutsch'];
const GREETINGS = { english: 'Welcome', espanol: 'Bienvenida', deutsch: 'Willkommen' };

const text = (value) => ({ content: [{ type: 'text', text: value }] });

function makeServer() {
  const server = new McpServer({ name: 'fixture', version: '1.0.0' }, { instructions: 'Small and predictable.' });

  server.registerTool(
    'add',
    {
      title: 'Add',
      description: 'Adds two numbers.',
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
      annotations: { readOnlyHint: true },
    },
    async ({ a, b }) => ({ ...text(String(a + b)), structuredContent: { sum: a + b } }),
  );
  server.registerTool(
    'count_to',
    { description: 'Counts and reports each step as progress.', inputSchema: z.object({ n: z.number().int() }) },
    async ({ n }, context) => {
      const progressToken = context.mcpReq._meta?.progressToken;
      for (let step = 1; progressToken !== undefined && step <= n; step += 1) {
        const params = { progressToken, progress: step, total: n };
        await context.mcpReq.notify({ method: 'notifications/progress', params });
      }
      return text(`counted to ${n}`);
    },
  );
  server.registerTool('fail', { description: 'Always fails.', inputSchema: z.object({}) }, async () => ({
    ...text('it failed, as it should'),
    isError: true,
  }));
  server.registerTool('forbidden', { description: 'No policy allows this.', inputSchema: z.object({}) }, async () =>
    text('this must never be seen'),
  );

  server.registerResource('motd', 'fixture://motd', { mimeType: 'text/plain' }, async (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'All gates are shut but one.' }],
  }));
  server.registerResource(
    'greeting',
    new ResourceTemplate('fixture://greeting/{name}', {
      list: undefined,
      complete: { name: (value) => NAMES.filter((name) => name.startsWith(value)) },
    }),
    { mimeType: 'text/plain' },
    async (uri, { name }) => ({ contents: [{ uri: uri.href, mimeType: 'text/plain', text: `Hello, ${name}.` }] }),
  );
  server.registerPrompt(
    'welcome',
    {
      description: 'A word of welcome.',
      argsSchema: z.object({
        language: completable(z.string(), (value) => LANGUAGES.filter((one) => one.startsWith(value))),
      }),
    },
    ({ language }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: GREETINGS[language] ?? 'Hello' } }],
    }),
  );
  return server;
}

const handler = toNodeHandler(createMcpHandler(makeServer));
const http = createServer((request, response) => handler(request, response));
http.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`ready: http://127.0.0.1:${http.address().port}/mcp`);
});
