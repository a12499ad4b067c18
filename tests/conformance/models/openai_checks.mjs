// The openai SDK, with its base URL and key changed and nothing else.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { openai, recordingFetch } from './client_calls.mjs';
import { readJsonEvents } from './sse.mjs';
import { answerChecks } from './answers.mjs';
import { CLAUDE } from './model_side.mjs';

const say = (text) => [{ role: 'user', content: text }];
const textOf = (answer) => answer.choices[0].message.content;

export async function openaiChecks(side, check) {
  const client = (options) => openai({ base: side.base, key: side.key, ...options });

  await check('openai: a chat, with the headers that say what became of it', async () => {
    const { text, seen } = side.ask('who');
    const { data, response } = await client()
      .chat.completions.create({ model: 'openai-fake/gpt-5-mini', messages: say(text) })
      .withResponse();
    assert.equal(textOf(data), 'answered by chat as gpt-5-mini');
    assert.ok(response.headers.get('x-portkey-trace-id'), 'no trace id');
    assert.ok(response.headers.get('x-portkey-provider'), 'no provider');
    assert.equal(response.headers.get('x-portkey-retry-attempt-count'), '0');
    assert.equal(response.headers.get('x-portkey-last-used-option-index'), 'config');
    assert.equal(seen().length, 1);
  });
  for (const [how, model, headers] of [
    ['@provider/model', '@openai-fake/gpt-5-mini', {}],
    ['an alias', 'openai-fake/fast', {}],
    ['a bare alias', 'fast', {}],
    ['x-portkey-provider', 'gpt-5-mini', { 'x-portkey-provider': 'openai-fake' }],
    ['x-portkey-provider with @', 'gpt-5-mini', { 'x-portkey-provider': '@openai-fake' }],
    ['x-portkey-virtual-key', 'gpt-5-mini', { 'x-portkey-virtual-key': 'team-key' }],
    ['the route of a config', 'gpt-5-mini', { 'x-portkey-config': 'main' }],
  ])
    await check(`openai: finds the model by ${how}`, async () => {
      const { text } = side.ask('who');
      const answer = await client({ defaultHeaders: headers }).chat.completions.create({ model, messages: say(text) });
      assert.equal(textOf(answer), 'answered by chat as gpt-5-mini');
    });
  await check('openai: the helper that runs tools gets to the last word, streamed and whole', async () => {
    const tool = {
      type: 'function',
      function: {
        name: 'get_weather',
        description: 'Says what the weather is.',
        parameters: { type: 'object', properties: { city: { type: 'string' } } },
        parse: JSON.parse,
        function: ({ city }) => `sun in ${city}`,
      },
    };
    for (const [model, stream] of [
      ['openai-fake/gpt-5-mini', true],
      [`anthropic-fake/${CLAUDE}`, true],
      [`anthropic-fake/${CLAUDE}`, false],
    ]) {
      const { text } = side.ask('parallel-tools');
      const runner = client().chat.completions.runTools({ model, messages: say(text), tools: [tool], stream });
      assert.equal(await runner.finalContent(), 'The results: sun in Bern | sun in Rome');
    }
  });
  await check('openai: a chat stream gets its usage only if it asks', async () => {
    for (const model of ['openai-fake/gpt-5-mini', `anthropic-fake/${CLAUDE}`])
      for (const wantsUsage of [false, true]) {
        const { fetch: recorded, calls } = recordingFetch();
        const options = wantsUsage ? { stream_options: { include_usage: true } } : {};
        const { text } = side.ask('plain');
        const stream = await client({ fetch: recorded }).chat.completions.create({
          model,
          messages: say(text),
          stream: true,
          ...options,
        });
        for await (const _ of stream);
        assert.deepEqual(answerChecks(side.schemas).stream('chat', await calls[0].text, { wantsUsage }), [], model);
      }
  });
  await check('openai: embeddings, as floats and packed', async () => {
    const body = { model: 'openai-fake/text-embedding-3-small', input: ['abcd', 'efgh'] };
    const wanted = ['a', 'b', 'c', 'd'].map((letter) => letter.codePointAt(0) / 1024);
    for (const encoding of [undefined, 'float']) {
      const answer = await client().embeddings.create({ ...body, ...(encoding && { encoding_format: encoding }) });
      assert.deepEqual([...answer.data[0].embedding], wanted);
      assert.equal(answer.usage.total_tokens, 7);
    }
  });
  await check('openai: the list of models holds what can be called', async () => {
    const ids = [];
    for await (const model of client().models.list()) ids.push(model.id);
    assert.ok(
      ids.some((id) => id.includes('fast')),
      `no alias in ${ids.slice(0, 10)}`,
    );
    assert.equal(new Set(ids).size, ids.length, 'a model is listed twice');
  });
  await check('openai: a Responses body on the path of chat is answered as chat', async () => {
    for (const model of ['openai-fake/gpt-5-mini', `anthropic-fake/${CLAUDE}`]) {
      const { text } = side.ask('plain');
      const headers = { authorization: `Bearer ${side.key}`, 'content-type': 'application/json' };
      const body = JSON.stringify({ model, input: [{ role: 'user', content: text }], stream: true });
      const answer = await fetch(`${side.base}/v1/chat/completions`, { method: 'POST', headers, body });
      assert.equal(answer.status, 200);
      const bytes = await answer.text();
      const asked = readJsonEvents(bytes).events.some((one) => one.json?.usage);
      assert.deepEqual(answerChecks(side.schemas).stream('chat', bytes, { wantsUsage: asked }), []);
    }
  });
  await errorChecks(side, client, check);
}

async function errorChecks(side, client, check) {
  const chat = (options, model, text, more = {}) =>
    client(options).chat.completions.create({ model, messages: say(text), ...more });
  await check('openai: a wrong key is an AuthenticationError', async () => {
    await assert.rejects(chat({ apiKey: 'sk-nobody' }, 'openai-fake/gpt-5-mini', 'hi'), OpenAI.AuthenticationError);
  });
  await check(
    'openai: a model that nobody has, or that policy denies, is a NotFoundError or PermissionDeniedError, and is not tried again',
    async () => {
      for (const [model, headers] of [
        ['nobody/gpt-5', {}],
        ['openai-fake/forbidden-1', {}],
        ['o9', { 'x-portkey-virtual-key': 'team-key' }],
      ]) {
        const { fetch: recorded, calls } = recordingFetch();
        const { text, seen } = side.ask('who');
        const problem = await chat({ maxRetries: 2, fetch: recorded, defaultHeaders: headers }, model, text).then(
          () => assert.fail(`${model} was answered`),
          (one) => one,
        );
        assert.ok(
          problem instanceof OpenAI.NotFoundError || problem instanceof OpenAI.PermissionDeniedError,
          `${model}: ${problem}`,
        );
        assert.deepEqual(answerChecks(side.schemas).error('chat', JSON.parse(await calls[0].text)), []);
        assert.equal(calls.length, 1);
        assert.equal(seen().length, 0);
      }
    },
  );
  await check('openai: what policy denies looks like what does not exist', async () => {
    const told = async (model) => {
      const problem = await chat({}, model, 'hi').then(
        () => assert.fail(`${model} was answered`),
        (one) => one,
      );
      return `${problem.status} ${problem.code} ${problem.type} ${problem.message}`.replaceAll(model, 'MODEL');
    };
    assert.equal(await told('openai-fake/forbidden-1'), await told('nobody/forbidden-1'));
  });
  await check('openai: 429 comes through with its advice, and the SDK succeeds at its second attempt', async () => {
    const { fetch: recorded, calls } = recordingFetch();
    const { text, seen } = side.ask('busy-once');
    const answer = await chat({ maxRetries: 2, fetch: recorded }, 'openai-fake/gpt-5-mini', text);
    assert.equal(textOf(answer), 'answered by chat at attempt 2');
    assert.deepEqual(
      [calls.map((one) => one.status), calls[0].headers.get('retry-after-ms'), seen().length],
      [[429, 200], '50', 2],
    );
  });
  await check('openai: the overload of an Anthropic provider is a 503 on this wire', async () => {
    const { text } = side.ask('overloaded');
    await assert.rejects(
      chat({}, `anthropic-fake/${CLAUDE}`, text),
      (problem) => problem.status === 503 && /Overloaded/.test(problem.message),
    );
  });
  await check('openai: a provider that cannot be reached is an error of the gateway, soon', async () => {
    const begin = Date.now();
    await assert.rejects(chat({}, 'dead-fake/gpt-5-mini', 'hi'), (problem) => [502, 503].includes(problem.status));
    assert.ok(Date.now() - begin < 3000);
  });
  const refused = (what, model, more) =>
    check(`openai: ${what} is refused by name, and reaches nobody`, async () => {
      const { text, seen } = side.ask('who');
      const problem = await chat({}, model, text, more).then(
        () => assert.fail('it was answered'),
        (one) => one,
      );
      assert.equal(problem.status, 400);
      assert.match(problem.message, /unsupported_by_target/);
      assert.ok(problem.message.includes(Object.keys(more)[0]), problem.message);
      assert.equal(seen().length, 0);
    });
  await refused('several choices on an Anthropic provider', `anthropic-fake/${CLAUDE}`, { n: 2 });
  await refused('logprobs on an Anthropic provider', `anthropic-fake/${CLAUDE}`, { logprobs: true });
  await refused('a grammar on an Anthropic provider', `anthropic-fake/${CLAUDE}`, {
    tools: [
      { type: 'custom', custom: { name: 'patch', format: { type: 'grammar', grammar: { syntax: 'regex', definition: 'a+' } } } },
    ],
  });
  await check('openai: what an Anthropic provider has no place for, and does not need, is left out and reported', async () => {
    const { text, seen } = side.ask('who');
    const more = { seed: 7, logit_bias: { 50256: -100 }, frequency_penalty: 0.5, presence_penalty: 0.5 };
    const { response } = await chat({}, `anthropic-fake/${CLAUDE}`, text, more).withResponse();
    const dropped = response.headers.get('x-sallyport-dropped-params') ?? '';
    for (const name of Object.keys(more)) assert.ok(dropped.split(/, */).includes(name), `${name} is not among ${dropped}`);
    assert.equal(seen().length, 1);
  });
  await check('openai: a member that nobody knows stays on the same wire, and is reported where it cannot', async () => {
    const more = { a_member_of_tomorrow: { deep: [1, 2.5] } };
    const known = side.ask('who');
    const { response } = await chat({}, `anthropic-fake/${CLAUDE}`, known.text, more).withResponse();
    assert.match(response.headers.get('x-sallyport-dropped-params') ?? '', /a_member_of_tomorrow/);
    const same = await chat({}, 'chat-fake/gpt-5-mini', side.ask('who').text, more).then(
      () => 'answered',
      (problem) => problem.message,
    );
    assert.match(same, /no member a_member_of_tomorrow/, 'the fake, which knows no such member, did not get it');
    side.expected.push(/no member a_member_of_tomorrow/);
  });
  await check('openai: embeddings of a provider that has none are an error, not a silence', async () => {
    const sent = client().embeddings.create({ model: `anthropic-fake/${CLAUDE}`, input: 'x' });
    await assert.rejects(sent, (problem) => [400, 404, 501].includes(problem.status));
  });
  await check('openai: a tool that OpenAI runs itself is refused on another wire', async () => {
    const { text, seen } = side.ask('who');
    const sent = client().responses.create({ model: `anthropic-fake/${CLAUDE}`, input: text, tools: [{ type: 'web_search' }] });
    await assert.rejects(sent, (problem) => problem.status === 400 && /unsupported_by_target/.test(problem.message));
    assert.equal(seen().length, 0);
  });
  await check('openai: an earlier response that nobody kept is refused on another wire', async () => {
    const { text, seen } = side.ask('who');
    const sent = client().responses.create({ model: `anthropic-fake/${CLAUDE}`, input: text, previous_response_id: 'resp_1' });
    await assert.rejects(sent, (problem) => problem.status === 400 && /previous_response_id/.test(problem.message));
    assert.equal(seen().length, 0);
  });
}
