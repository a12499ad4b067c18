// Errors of providers, on every pair of wires: the status that the client's wire has for it, its type, and the provider's words.

import assert from 'node:assert/strict';
import { answerChecks } from './answers.mjs';
import { call } from './client_calls.mjs';
import { CLAUDE } from './model_side.mjs';

const MODELS = { chat: 'chat-fake/gpt-5-mini', responses: 'responses-fake/gpt-5-mini', messages: `anthropic-fake/${CLAUDE}` };
const BODIES = {
  chat: (model, text) => ({ model, messages: [{ role: 'user', content: text }] }),
  responses: (model, text) => ({ model, input: text }),
  messages: (model, text) => ({ model, max_tokens: 100, messages: [{ role: 'user', content: text }] }),
};
/** scenario -> {openai, anthropic: [status, type] as a client of that vendor's wires must see it}. */
const SEEN = {
  'no-such-model': { openai: [404], anthropic: [404, 'not_found_error'] },
  'not-allowed': { openai: [403], anthropic: [403, 'permission_error'] },
  'too-large': { openai: [413], anthropic: [413, 'request_too_large'] },
  busy: { openai: [429], anthropic: [429, 'rate_limit_error'] },
  breaks: { openai: [500], anthropic: [500, 'api_error'] },
};

export async function errorChecks(side, check) {
  const { error } = answerChecks(side.schemas);
  for (const [scenario, seen] of Object.entries(SEEN))
    await check(`the error "${scenario}" of a provider keeps its status and words on every pair of wires`, async () => {
      const wrong = [];
      for (const client of Object.keys(BODIES))
        for (const [provider, model] of Object.entries(MODELS))
          for (const stream of [false, true]) {
            const where = `${client} client, ${provider} provider, ${stream ? 'streamed' : 'whole'}`;
            const got = await call(client, side, BODIES[client](model, side.ask(scenario).text), stream);
            const [status, type] = seen[client === 'messages' ? 'anthropic' : 'openai'];
            const body = JSON.parse(got.text);
            if (got.status !== status) wrong.push(`${where}: status ${got.status} instead of ${status}`);
            // On its own wire an error is the provider's business, down to its type.
            if (type && client !== provider && body.error?.type !== type)
              wrong.push(`${where}: type ${body.error?.type} instead of ${type}`);
            if (!body.error?.message?.includes('words of the provider')) wrong.push(`${where}: ${got.text}`);
            if (client !== provider) wrong.push(...error(client, body).map((problem) => `${where}: ${problem}`));
          }
      assert.deepEqual(wrong, []);
    });
}
