// What is left when all calls are over: the providers' complaints, the journal, and no secret anywhere.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { until } from '../processes.mjs';
import * as chat from './chat_wire.mjs';
import { openai } from './client_calls.mjs';
import { ANTHROPIC_KEY, OPENAI_KEY } from './fakes.mjs';
import * as messages from './messages_wire.mjs';
import { CLAUDE } from './model_side.mjs';
import * as responses from './responses_wire.mjs';
import { SCENARIOS, askOf } from './scenarios.mjs';

const MODELS = ['chat-fake/gpt-5-mini', 'responses-fake/gpt-5-mini', `anthropic-fake/${CLAUDE}`];

/** One call as its wire writes it, in a trace of its own; resolves to its outcome in the journal. */
async function outcomeOf(side, wire, scenario, model, more) {
  const trace = randomUUID();
  const { text } = side.ask(scenario);
  const body = { ...wire.ask(askOf(SCENARIOS.plain, text), model), ...more };
  const headers = { authorization: `Bearer ${side.key}`, 'content-type': 'application/json', 'x-portkey-trace-id': trace };
  await fetch(side.base + wire.path, { method: 'POST', headers, body: JSON.stringify(body) })
    .then((answer) => answer.text())
    .catch(() => {});
  return (await side.recordsOf(trace)).find((one) => one.type === 'outcome');
}

export async function recordChecks(side, check) {
  await check('a W3C traceparent is the trace of the call', async () => {
    const trace = randomUUID().replaceAll('-', '');
    const client = openai({ ...side, defaultHeaders: { traceparent: `00-${trace}-b7ad6b7169203331-01` } });
    const { response } = await client.chat.completions
      .create({ model: 'openai-fake/gpt-5-mini', messages: [{ role: 'user', content: side.ask('who').text }] })
      .withResponse();
    assert.equal(response.headers.get('x-portkey-trace-id'), trace);
    await side.recordsOf(trace);
  });
  await check(
    'tokens and cost stand in the journal, on every pair of wires, streamed and whole, and all pairs agree',
    async () => {
      const costs = new Map(MODELS.map((model) => [model, new Set()]));
      for (const wire of [chat, responses, messages])
        for (const model of MODELS)
          for (const stream of [false, true]) {
            const { model: told, status } = await outcomeOf(side, wire, 'plain', model, { stream });
            const where = `${wire.name} to ${model}, ${stream ? 'streamed' : 'whole'}`;
            assert.equal(status, 'ok', where);
            const { input, cache_read: read, cache_write_5m: written, output } = told.tokens ?? {};
            assert.deepEqual({ input, read, written, output }, { input: 100, read: 30, written: 20, output: 12 }, where);
            costs.get(model).add(told.cost_usd);
          }
      for (const [model, told] of costs) assert.equal(told.size, 1, `${model} cost ${[...told]}`);
      assert.ok(Number([...costs.get(MODELS[2])][0]) > 0, 'a model of the catalogue cost nothing');
    },
  );
  await check('a stream that broke off does not stand in the journal as a success', async () => {
    for (const wire of [chat, responses, messages])
      for (const model of MODELS)
        for (const scenario of ['breaks-off', 'says-it-failed']) {
          const { status } = await outcomeOf(side, wire, scenario, model, { stream: true });
          assert.notEqual(status, 'ok', `${wire.name} to ${model}: ${scenario}`);
        }
  });
  await check('every call that was begun has ended in the journal, once', async () => {
    const counted = async () => {
      const calls = Map.groupBy(await side.records(), (one) => one.call);
      const begun = [...calls.values()].filter((all) => all.some((one) => one.type === 'intent'));
      return begun.filter((all) => all.filter((one) => one.type === 'outcome').length !== 1);
    };
    await until(async () => (await counted()).length === 0, 'calls without one outcome', 8).catch(async (problem) => {
      throw new Error(`${problem.message}: ${JSON.stringify((await counted()).slice(0, 3))}`);
    });
  });
  await check('the providers had nothing to complain of in any request', () =>
    assert.deepEqual(side.complaints().slice(0, 5), []),
  );
  await check('no credential stands in the log or the journal', async () => {
    const journal = JSON.stringify(await side.records());
    for (const [what, text] of Object.entries({ log: side.gateway.log(), journal }))
      for (const secret of [side.key, OPENAI_KEY, ANTHROPIC_KEY])
        assert.ok(!text.includes(secret), `a credential stands in the ${what}`);
  });
  await check('the journal verifies', () => side.gateway.command('audit', 'verify'));
}
