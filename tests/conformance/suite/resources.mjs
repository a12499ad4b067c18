// The resources, and who wants to hear of their changes (2025-11-25; in 2026-07-28 the listen stream says it).

import { ResourceTemplate } from '@modelcontextprotocol/server';
import { PNG } from './media.mjs';

export function registerResources(server, hub) {
  server.registerResource('static-text', 'test://static-text', { description: 'A text', mimeType: 'text/plain' }, async (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'What the static text resource says.' }],
  }));
  server.registerResource('static-binary', 'test://static-binary', { description: 'An image', mimeType: 'image/png' },
    async (uri) => ({ contents: [{ uri: uri.href, mimeType: 'image/png', blob: PNG }] }));
  server.registerResource('watched', 'test://watched-resource', { description: 'It changes', mimeType: 'text/plain' },
    async (uri) => ({ contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'Watch me.' }] }));
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description: 'One per id', mimeType: 'application/json' },
    async (uri, { id }) => ({
      contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify({ id, data: `data of ${id}` }) }],
    }),
  );

  server.server.setRequestHandler('resources/subscribe', async ({ params }) => {
    server.subscriptions.add(params.uri);
    hub.counts.subscribed += 1;
    return {};
  });
  server.server.setRequestHandler('resources/unsubscribe', async ({ params }) => {
    server.subscriptions.delete(params.uri);
    hub.counts.unsubscribed += 1;
    return {};
  });
}
