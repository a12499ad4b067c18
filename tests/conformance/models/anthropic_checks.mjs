// Anthropic's SDK, with its base URL and key changed and nothing else.

import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { anthropic, recordingFetch } from './client_calls.mjs';
import { THOUGHT } from './scenarios.mjs';
import { CLAUDE } from './model_side.mjs';

const say = (text) => [{ role: 'user', content: text }];
const TOOL = {
  name: 'get_weather',
  description: 'Weather.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } } },
};

export async function anthropicChecks(side, check) {
  const client = (options) => anthropic({ base: side.base, key: side.key, ...options });
  const ask = (model, text, more = {}, options = {}) =>
    client(options).messages.create({ model, max_tokens: 4096, messages: say(text), ...more });

  await check('anthropic: its key is taken as a bearer token and as x-api-key', async () => {
    for (const options of [
      { apiKey: side.key },
      { apiKey: null, authToken: side.key },
      { apiKey: null, authToken: null, defaultHeaders: { 'x-api-key': side.key } },
    ]) {
      const { text } = side.ask('who');
      const answer = await ask(`anthropic-fake/${CLAUDE}`, text, {}, options);
      assert.equal(answer.content[0].text, `answered by messages as ${CLAUDE}`);
    }
  });
  await check('anthropic: its version and betas reach an Anthropic provider as they are, and no other', async () => {
    const headers = { 'anthropic-beta': 'one-2026-01-01,two-2026-02-02', 'anthropic-version': '2023-06-01' };
    const { text, seen } = side.ask('who');
    await ask(`anthropic-fake/${CLAUDE}`, text, {}, { defaultHeaders: headers });
    for (const [name, value] of Object.entries(headers)) assert.equal(seen()[0].headers[name], value);
    const other = side.ask('who');
    await ask('openai-fake/gpt-5-mini', other.text, {}, { defaultHeaders: headers });
    assert.deepEqual(
      Object.keys(other.seen()[0].headers).filter((name) => name.startsWith('anthropic-')),
      [],
    );
  });
  await check('anthropic: the body of a request on its own wire is forwarded byte for byte, but for the model', async () => {
    const { text, seen } = side.ask('who');
    const more = {
      metadata: { user_id: 'u-1' },
      stop_sequences: ['END'],
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
    };
    await ask(`anthropic-fake/${CLAUDE}`, text, more);
    assert.deepEqual(seen()[0].body, { model: CLAUDE, max_tokens: 4096, messages: say(text), ...more });
  });
  await check('anthropic: tokens are counted where the provider can, and where not the answer says so', async () => {
    const { text } = side.ask('who');
    const counted = await client().messages.countTokens({ model: `anthropic-fake/${CLAUDE}`, messages: say(text) });
    assert.equal(counted.input_tokens, 42);
    const other = await client()
      .messages.countTokens({ model: 'openai-fake/gpt-5-mini', messages: say(text) })
      .catch((problem) => problem);
    if (other instanceof Error) assert.ok([400, 404, 501].includes(other.status), String(other));
    else assert.ok(other.input_tokens > 0);
  });
  await check('anthropic: the list of models is one that this SDK reads too', async () => {
    const ids = [];
    for await (const model of client().models.list({ limit: 1000 })) ids.push(`${model.id} ${model.display_name}`);
    assert.ok(
      ids.some((id) => id.includes(CLAUDE)),
      `${CLAUDE} is not among ${ids.slice(0, 5)}`,
    );
  });
  await check('anthropic: an error of an Anthropic provider comes through unmodified', async () => {
    const { fetch: recorded, calls } = recordingFetch();
    const { text } = side.ask('odd-error');
    await assert.rejects(ask(`anthropic-fake/${CLAUDE}`, text, {}, { fetch: recorded }), (problem) => problem.status === 413);
    assert.deepEqual(JSON.parse(await calls[0].text), {
      type: 'error',
      error: { type: 'request_too_large', message: 'Prompt is too long', extra: [1] },
      request_id: 'req_odd',
    });
  });
  await check('anthropic: overload stays 529, of whatever wire its provider is', async () => {
    for (const [model, status] of [
      [`anthropic-fake/${CLAUDE}`, 529],
      ['openai-fake/gpt-5-mini', 529],
    ]) {
      const { text } = side.ask('overloaded');
      await assert.rejects(
        ask(model, text),
        (problem) => problem.status === status && problem.error?.error?.type === 'overloaded_error',
      );
    }
  });
  await check('anthropic: errors have the classes of the SDK', async () => {
    await assert.rejects(ask(`anthropic-fake/${CLAUDE}`, 'hi', {}, { apiKey: 'nobody' }), Anthropic.AuthenticationError);
    await assert.rejects(ask('nobody/claude', 'hi'), Anthropic.NotFoundError);
    const { text } = side.ask('busy');
    await assert.rejects(
      ask('openai-fake/gpt-5-mini', text),
      (problem) => problem instanceof Anthropic.RateLimitError && problem.headers.get('retry-after-ms') === '50',
    );
  });
  await check("anthropic: one provider's rejected credential is not the client's", async () => {
    const { text } = side.ask('bad-key');
    await assert.rejects(ask(`anthropic-fake/${CLAUDE}`, text), (problem) => problem.status >= 400);
  });
  await check(
    'anthropic: the key of a tool in a foreign form, top_k and an error of a tool reach OpenAI as they can',
    async () => {
      const { text, seen } = side.ask('who');
      const messages = [
        { role: 'user', content: text },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_01', name: 'get_weather', input: { city: 'Bern' } }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_01', content: 'no such city', is_error: true },
            { type: 'text', text: 'Well?' },
          ],
        },
      ];
      const sent = client()
        .messages.create({ model: 'chat-fake/gpt-5-mini', max_tokens: 100, top_k: 5, messages, tools: [TOOL] })
        .withResponse();
      const { response } = await sent;
      assert.match(response.headers.get('x-sallyport-dropped-params') ?? '', /top_k/);
      const [result, user] = seen()[0].request.items.slice(-2);
      assert.match(result.result.text, /no such city/);
      assert.equal(user.user[0].text, 'Well?');
    },
  );
  await check('anthropic: a picture in the result of a tool reaches a chat provider', async () => {
    const { text, seen } = side.ask('who');
    const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } };
    const messages = [
      { role: 'user', content: text },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_01', name: 'get_weather', input: {} }] },
      {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 'toolu_01', content: [{ type: 'text', text: 'see' }, picture] }],
      },
    ];
    await client().messages.create({ model: 'chat-fake/gpt-5-mini', max_tokens: 100, messages, tools: [TOOL] });
    assert.ok(JSON.stringify(seen()[0].body).includes('data:image/png;base64,iVBORw0KGgo='), 'the picture is gone');
  });
  await check('anthropic: what one provider thought never reaches another', async () => {
    for (const [from, to] of [
      [`anthropic-fake/${CLAUDE}`, 'responses-fake/gpt-5-mini'],
      ['responses-fake/gpt-5-mini', `anthropic-fake/${CLAUDE}`],
      [`anthropic-fake/${CLAUDE}`, 'chat-fake/gpt-5-mini'],
    ]) {
      const { text, seen } = side.ask('thinking');
      const more = { max_tokens: 8000, thinking: { type: 'adaptive' }, tools: [TOOL] };
      const first = await client().messages.create({ model: from, messages: say(text), ...more });
      const call = first.content.find((block) => block.type === 'tool_use');
      assert.equal(first.content[0].thinking, THOUGHT);
      const messages = [
        ...say(text),
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'fog' }] },
      ];
      const second = await client()
        .messages.create({ model: to, messages, ...more })
        .catch((problem) => assert.fail(`${from} to ${to}: ${problem.message}`));
      assert.equal(second.content.at(-1).text, 'The results: fog');
      assert.deepEqual(
        seen()
          .at(-1)
          .request.items.flatMap((item) => item.thinking ?? []),
        [],
      );
    }
  });
}
