// The portkey-ai SDK, with its base URL and key changed: what its users write in configs works as they know it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Portkey } from 'portkey-ai';
import { CLAUDE } from './model_side.mjs';

const say = (text) => [{ role: 'user', content: text }];
const textOf = (answer) => answer.choices[0].message.content;
const CLAUDE_TARGET = { provider: '@anthropic-fake', override_params: { model: CLAUDE } };

export async function portkeyChecks(side, check) {
  const portkey = (options) => new Portkey({ baseURL: `${side.base}/v1`, apiKey: side.key, maxRetries: 0, ...options });
  const chat = (options, text, more = {}) =>
    portkey(options).chat.completions.create({ model: 'gpt-5-mini', messages: say(text), ...more });

  await check('portkey: provider, virtual key, and a model that names its provider', async () => {
    for (const [options, model] of [
      [{ provider: '@openai-fake' }, 'gpt-5-mini'],
      [{ virtualKey: 'team-key' }, 'gpt-5-mini'],
      [{}, '@openai-fake/gpt-5-mini'],
    ]) {
      const { text } = side.ask('who');
      const answer = await chat(options, text, { model });
      assert.equal(textOf(answer), 'answered by chat as gpt-5-mini');
      assert.equal(answer.getHeaders()['retry-attempt-count'], '0');
    }
  });
  await check('portkey: streams, responses and embeddings', async () => {
    const client = portkey({ provider: '@openai-fake' });
    let told = '';
    for await (const chunk of await client.chat.completions.create({
      model: 'gpt-5-mini',
      messages: say(side.ask('who').text),
      stream: true,
    }))
      told += chunk.choices[0]?.delta?.content ?? '';
    assert.equal(told, 'answered by chat as gpt-5-mini');
    const response = await client.responses.create({ model: 'gpt-5-mini', input: side.ask('who').text });
    assert.equal(response.output[0].content[0].text, 'answered by responses as gpt-5-mini');
    const vectors = await client.embeddings.create({ model: 'text-embedding-3-small', input: 'abcd', encoding_format: 'float' });
    assert.equal(vectors.data[0].embedding[0], 97 / 1024);
  });
  await check('portkey: a fallback reaches a provider of another wire, and says which', async () => {
    const config = { strategy: { mode: 'fallback' }, targets: [{ provider: '@openai-fake' }, CLAUDE_TARGET] };
    const { text, seen } = side.ask('openai-down');
    const answer = await chat({ config }, text);
    assert.equal(textOf(answer), 'answered by messages');
    assert.equal(answer.getHeaders()['last-used-option-index'], 'config.targets[1]');
    assert.deepEqual(
      seen().map((one) => one.wire),
      ['chat', 'messages'],
    );
  });
  await check('portkey: a fallback by the name of a stored route, and only on the codes that are named', async () => {
    assert.equal(textOf(await chat({ config: 'main' }, side.ask('openai-down').text)), 'answered by messages');
    const config = {
      strategy: { mode: 'fallback', on_status_codes: [429] },
      targets: [{ provider: '@openai-fake' }, CLAUDE_TARGET],
    };
    const { text, seen } = side.ask('openai-down');
    await assert.rejects(chat({ config }, text), (problem) => problem.status === 503);
    assert.equal(seen().length, 1);
  });
  await check('portkey: a load balance follows its weights', async () => {
    const config = (one, other) => ({
      strategy: { mode: 'loadbalance' },
      targets: [
        { provider: '@openai-fake', weight: one },
        { ...CLAUDE_TARGET, weight: other },
      ],
    });
    const told = (weights, times) =>
      Promise.all(
        Array.from({ length: times }, async () => textOf(await chat({ config: config(...weights) }, side.ask('who').text))),
      );
    assert.deepEqual(new Set(await told([0, 1], 6)), new Set([`answered by messages as ${CLAUDE}`]));
    assert.deepEqual(new Set(await told([1, 0], 6)), new Set(['answered by chat as gpt-5-mini']));
    const both = await told([0.5, 0.5], 60);
    const share = both.filter((one) => one.includes('chat')).length;
    assert.ok(share >= 10 && share <= 50, `${share} of 60 for a half`);
  });
  await check('portkey: conditions read metadata and parameters', async () => {
    const config = {
      strategy: {
        mode: 'conditional',
        conditions: [
          { query: { 'metadata.plan': { $eq: 'paid' } }, then: 'best' },
          {
            query: { $and: [{ 'params.model': { $regex: '^gpt-5' } }, { 'params.max_completion_tokens': { $lt: 10 } }] },
            then: 'small',
          },
        ],
        default: 'small',
      },
      targets: [
        { name: 'best', ...CLAUDE_TARGET },
        { name: 'small', provider: '@openai-fake', override_params: { model: 'gpt-5-nano' } },
      ],
    };
    const told = async (metadata) => textOf(await chat({ config, metadata }, side.ask('who').text));
    assert.equal(await told({ plan: 'paid' }), `answered by messages as ${CLAUDE}`);
    assert.equal(await told({ plan: 'free' }), 'answered by chat as gpt-5-nano');
    const { default: _, ...strategy } = config.strategy;
    await assert.rejects(
      chat({ config: { ...config, strategy }, metadata: { plan: 'free' } }, side.ask('who').text),
      (problem) => problem.status === 400,
    );
  });
  await check('portkey: strategies nest, and parameters are inherited', async () => {
    const config = {
      strategy: { mode: 'fallback' },
      override_params: { temperature: 0.25 },
      targets: [
        { strategy: { mode: 'loadbalance' }, targets: [{ provider: '@chat-fake', weight: 1 }] },
        {
          strategy: { mode: 'fallback' },
          override_params: { model: 'gpt-4.1-nano' },
          targets: [{ provider: '@dead-fake' }, { provider: '@responses-fake' }],
        },
      ],
    };
    const { text, seen } = side.ask('chat-down');
    const answer = await chat({ config }, text);
    assert.equal(textOf(answer), 'answered by responses');
    assert.equal(answer.getHeaders()['last-used-option-index'], 'config.targets[1].targets[1]');
    const last = seen().at(-1);
    assert.deepEqual([last.body.model, last.body.temperature], ['gpt-4.1-nano', 0.25]);
  });
  await check('portkey: retries are counted, and give up', async () => {
    const config = { provider: '@openai-fake', retry: { attempts: 3, on_status_codes: [429], use_retry_after_header: true } };
    const answer = await chat({ config }, side.ask('busy-twice').text);
    assert.equal(textOf(answer), 'answered at attempt 3');
    assert.equal(answer.getHeaders()['retry-attempt-count'], '2');
    const { text, seen } = side.ask('busy');
    const given = await chat({ config: { ...config, retry: { ...config.retry, attempts: 1 } } }, text).then(
      () => assert.fail('answered'),
      (problem) => problem,
    );
    assert.equal(given.status, 429);
    assert.equal(given.headers?.['x-portkey-retry-attempt-count'] ?? given.headers?.get?.('x-portkey-retry-attempt-count'), '-1');
    assert.equal(seen().length, 2);
  });
  await check('portkey: a config that is none, a host and a key of its own are refused', async () => {
    for (const [config, status] of [
      [{ strategy: { mode: 'nonsense' }, targets: [{ provider: '@openai-fake' }] }, [400]],
      [{ provider: '@openai-fake', custom_host: 'http://127.0.0.1:1/v1' }, [400, 403]],
      [{ provider: '@openai-fake', api_key: 'sk-mine' }, [400, 403]],
    ]) {
      const { text, seen } = side.ask('who');
      const problem = await chat({ config }, text).then(
        () => assert.fail(`answered: ${JSON.stringify(config)}`),
        (one) => one,
      );
      assert.ok(status.includes(problem.status), `${problem.status} for ${JSON.stringify(config)}`);
      assert.equal(seen().length, 0);
    }
    const { text } = side.ask('who');
    await assert.rejects(chat({ provider: '@openai-fake', customHost: 'http://127.0.0.1:1/v1' }, text), (problem) =>
      [400, 403].includes(problem.status),
    );
  });
  await check('portkey: trace and metadata stand in the journal, with what the call was and cost', async () => {
    const traceID = `trace-${randomUUID()}`;
    const answer = await chat(
      { provider: '@openai-fake', traceID, metadata: { team: 'payments', _user: 'ada' } },
      side.ask('plain').text,
    );
    assert.equal(answer.getHeaders()['trace-id'], traceID);
    const records = await side.recordsOf(traceID, 1);
    const text = JSON.stringify(records);
    const { model } = records.find((one) => one.model) ?? {};
    assert.ok(model, `no record of the model: ${text}`);
    assert.equal(model.provider, 'openai-fake');
    assert.equal(model.model, 'gpt-5-mini');
    assert.equal(model.attempts.length, 1);
    assert.deepEqual([model.tokens.input, model.tokens.cache_read, model.tokens.output], [100, 30, 12]);
    assert.ok(Number(model.cost_usd) > 0, `cost ${model.cost_usd}`);
    for (const wanted of ['payments', 'ada', 'agent:model-user']) assert.ok(text.includes(wanted), `no ${wanted} in ${text}`);
  });
  await check('portkey: the journal names the route and every attempt', async () => {
    const traceID = `trace-${randomUUID()}`;
    await chat({ config: 'main', traceID }, side.ask('openai-down').text);
    const { model } = (await side.recordsOf(traceID)).find((one) => one.model) ?? {};
    assert.equal(model?.route, 'main');
    assert.deepEqual(
      model.attempts.map((one) => one.status),
      [503, 200],
    );
    assert.equal(model.provider, 'anthropic-fake');
  });
  await check('portkey: feedback on a trace is taken, and bad feedback refused', async () => {
    const traceID = `trace-${randomUUID()}`;
    await chat({ provider: '@openai-fake', traceID }, side.ask('who').text);
    const told = await portkey({}).feedback.create({ traceID, value: 5, weight: 0.5, metadata: { why: 'good' } });
    assert.equal(told.status, 'success');
    assert.equal(told.feedback_ids.length, 1);
    await assert.rejects(portkey({}).feedback.create({ traceID, value: 11 }), (problem) => problem.status === 400);
  });
}
