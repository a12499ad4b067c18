// Providers that are slow, silent or break off, seen through the SDKs; and clients that leave.

import assert from 'node:assert/strict';
import { Portkey } from 'portkey-ai';
import { until } from '../processes.mjs';
import { anthropic, openai } from './client_calls.mjs';
import { CLAUDE } from './model_side.mjs';

const MODELS = {
  'a chat provider': 'chat-fake/gpt-5-mini',
  'a responses provider': 'responses-fake/gpt-5-mini',
  'an Anthropic provider': `anthropic-fake/${CLAUDE}`,
};

/** How each client streams one text to its end; resolves to {text, ended: what it holds for the reason of the end}. */
const STREAMS = {
  chat: async (side, model, text, signal) => {
    const result = { text: '', ended: undefined };
    const body = { model, messages: [{ role: 'user', content: text }], stream: true };
    for await (const chunk of await openai(side).chat.completions.create(body, { signal })) {
      result.text += chunk.choices[0]?.delta.content ?? '';
      result.ended = chunk.choices[0]?.finish_reason ?? result.ended;
      result.heard?.();
    }
    return result;
  },
  responses: async (side, model, text, signal) => {
    const result = { text: '', ended: undefined };
    for await (const event of await openai(side).responses.create({ model, input: text, stream: true }, { signal })) {
      if (event.type === 'response.output_text.delta') result.text += event.delta;
      if (event.type === 'response.failed') throw new Error(`response.failed: ${event.response.error?.message}`);
      if (event.type === 'response.completed') result.ended = 'completed';
    }
    return result;
  },
  messages: async (side, model, text, signal) => {
    const stream = anthropic(side).messages.stream(
      { model, max_tokens: 1000, messages: [{ role: 'user', content: text }] },
      { signal },
    );
    const message = await stream.finalMessage();
    return { text: message.content[0].text, ended: message.stop_reason };
  },
};

const LONGEST_SILENCE = 17_000;
const OTHER_CALLS = 2000;

/** Asks and listens to the bytes; resolves to {gaps: ms between them, from the request on, text}. */
async function listen(side, path, body) {
  const headers = { authorization: `Bearer ${side.key}`, 'content-type': 'application/json' };
  let last = Date.now();
  const gaps = [];
  const heard = () => gaps.push(Date.now() - last) && (last = Date.now());
  const answer = await fetch(side.base + path, { method: 'POST', headers, body: JSON.stringify({ ...body, stream: true }) });
  heard();
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of answer.body) {
    heard();
    text += decoder.decode(bytes, { stream: true });
  }
  return { gaps, text };
}

const PONDERING = 'a provider that ponders for long leaves no client in the dark';

/** Takes as long as the providers ponder, so it begins before all else; returns the function that checks what was heard. */
export function beginPondering(side, only) {
  if (!PONDERING.includes(only)) return async () => {};
  const ask = () => side.ask('ponders').text;
  const said = (text) => [{ role: 'user', content: text }];
  const calls = {
    'chat, of a chat provider': ['/v1/chat/completions', { model: 'chat-fake/gpt-5-mini', messages: said(ask()) }],
    'chat, of an Anthropic provider': ['/v1/chat/completions', { model: `anthropic-fake/${CLAUDE}`, messages: said(ask()) }],
    'responses, of an Anthropic provider': ['/v1/responses', { model: `anthropic-fake/${CLAUDE}`, input: ask() }],
    'messages, of an Anthropic provider': [
      '/v1/messages',
      { model: `anthropic-fake/${CLAUDE}`, max_tokens: 1000, messages: said(ask()) },
    ],
    'messages, of a chat provider': ['/v1/messages', { model: 'chat-fake/gpt-5-mini', max_tokens: 1000, messages: said(ask()) }],
  };
  const heard = Object.entries(calls).map(([what, [path, body]]) => [what, listen(side, path, body)]);
  for (const [, one] of heard) one.catch(() => {});
  return async (_, check) => {
    for (const [what, one] of heard)
      await check(`${PONDERING}: ${what}`, async () => {
        const { gaps, text } = await one;
        assert.ok(Math.max(...gaps) < LONGEST_SILENCE, `not a byte for ${Math.max(...gaps)} ms`);
        assert.ok(text.includes('word '), text.slice(0, 300));
      });
  };
}

export async function failureChecks(side, check) {
  for (const client of Object.keys(STREAMS))
    for (const [whose, model] of Object.entries(MODELS)) {
      await check(`${client}: a stream of ${whose} that breaks off, or says that it failed, is an error to the SDK`, async () => {
        for (const scenario of ['breaks-off', 'says-it-failed']) {
          const { text } = side.ask(scenario);
          const ended = await STREAMS[client](side, model, text).then(
            (result) => assert.fail(`${scenario}: ended as ${result.ended} after ${result.text.length} letters`),
            (problem) => problem,
          );
          assert.ok(!(ended instanceof assert.AssertionError), ended.message);
          if (scenario === 'says-it-failed') assert.match(String(ended.message), /Overloaded in the middle/);
        }
      });
      await check(`${client}: a client that leaves a stream of ${whose} frees the provider`, async () => {
        const { text, seen } = side.ask('falls-silent');
        const control = new AbortController();
        const streaming = STREAMS[client](side, model, text, control.signal).catch(() => {});
        await until(() => seen().length === 1, 'the provider was never asked');
        await new Promise((resolve) => setTimeout(resolve, 100));
        assert.equal(seen()[0].closed, false, 'the provider is free before the client has left');
        control.abort();
        await until(() => seen()[0].closed, 'the provider still sends to nobody', 3);
        await streaming;
      });
    }
  await check('a provider that sleeps for 45 s is left after request_timeout, while 2,000 other calls go on', async () => {
    const config = {
      strategy: { mode: 'fallback' },
      request_timeout: 2000,
      targets: [{ provider: '@chat-fake' }, { provider: '@anthropic-fake', override_params: { model: CLAUDE } }],
    };
    const models = ['chat-fake/gpt-5-mini', 'openai-fake/gpt-5-mini', `anthropic-fake/${CLAUDE}`];
    const headers = { authorization: `Bearer ${side.key}`, 'content-type': 'application/json' };
    const who = async (model) => {
      const messages = [{ role: 'user', content: side.ask('who').text }];
      const answer = await fetch(`${side.base}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify({ model, messages }) });
      assert.match((await answer.json()).choices[0].message.content, /^answered by/);
    };
    for (const model of models) await who(model); // the fakes read their schemas with the first request
    const slow = new Portkey({ baseURL: `${side.base}/v1`, apiKey: side.key, config, maxRetries: 0 });
    const begin = Date.now();
    const sleepers = Array.from({ length: 20 }, async () => {
      const answer = await slow.chat.completions.create({
        model: 'gpt-5-mini',
        messages: [{ role: 'user', content: side.ask('slow').text }],
      });
      return {
        text: answer.choices[0].message.content,
        took: Date.now() - begin,
        option: answer.getHeaders()['last-used-option-index'],
      };
    });
    const ended = [];
    let next = 0;
    const worker = async () => {
      while (next < OTHER_CALLS) {
        const started = Date.now();
        await who(models[(next += 1) % models.length]);
        ended.push({ took: Date.now() - started, at: Date.now() - begin });
      }
    };
    const [left] = await Promise.all([Promise.all(sleepers), ...Array.from({ length: 32 }, worker)]);
    for (const { text, took, option } of left) {
      assert.deepEqual([text, option], ['answered by messages', 'config.targets[1]']);
      assert.ok(took >= 1950 && took < 6000, `fell back after ${took} ms`);
    }
    assert.equal(ended.length, OTHER_CALLS);
    const meanwhile = ended.filter((one) => one.at < 2000).length;
    assert.ok(meanwhile >= 300, `only ${meanwhile} of ${OTHER_CALLS} calls ended while the provider slept`);
    const longest = Math.max(...ended.map((one) => one.took));
    assert.ok(longest < 1500, `one of the other calls took ${longest} ms`);
    console.log(`        ${OTHER_CALLS} other calls, ${meanwhile} of them in the first 2 s; the longest took ${longest} ms`);
  });
  await check('a provider that sleeps, with nobody to fall back to, is a 408 after request_timeout', async () => {
    const config = { provider: '@chat-fake', request_timeout: 300 };
    const client = new Portkey({ baseURL: `${side.base}/v1`, apiKey: side.key, config, maxRetries: 0 });
    const begin = Date.now();
    const sent = client.chat.completions.create({
      model: 'gpt-5-mini',
      messages: [{ role: 'user', content: side.ask('slow').text }],
    });
    const problem = await sent.then(
      () => assert.fail('it was answered'),
      (one) => one,
    );
    assert.equal(problem.status, 408);
    assert.match(problem.message, /Request exceeded the timeout sent in the request: 300 ?ms/);
    assert.match(problem.message, /timeout_error/);
    assert.ok(Date.now() - begin < 2000);
  });
  await check('a stream that fails before its first word falls back', async () => {
    const { text } = side.ask('openai-down');
    let told = '';
    const client = openai({ ...side, defaultHeaders: { 'x-portkey-config': 'main' } });
    for await (const chunk of await client.chat.completions.create({
      model: 'gpt-5-mini',
      messages: [{ role: 'user', content: text }],
      stream: true,
    }))
      told += chunk.choices[0]?.delta.content ?? '';
    assert.equal(told, 'answered by messages');
  });
}
