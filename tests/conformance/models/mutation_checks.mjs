// Do the checks notice? Good answers and requests, each spoilt in one way, must be found bad; left alone, good.

import assert from 'node:assert/strict';
import { answerChecks } from './answers.mjs';
import * as chat from './chat_wire.mjs';
import { startProvider } from './fake_provider.mjs';
import * as messages from './messages_wire.mjs';
import * as responses from './responses_wire.mjs';
import { SCENARIOS, askOf } from './scenarios.mjs';
import { readJsonEvents } from './sse.mjs';

const WIRES = { chat, responses, messages };
const HEADERS = { 'content-type': 'application/json', authorization: 'Bearer right' };
const OWN_HEADERS = { chat: {}, responses: {}, messages: { 'anthropic-version': '2026-10-21' } };

/** A good stream of the wire: thinking, text and two calls. */
function goodEvents(wire) {
  const made = {
    parts: [
      { thinking: 'Let me see.', signature: 'c2ln' },
      { text: 'I will look.' },
      { call: { id: 'call_1', name: 'get_weather', args: { city: 'Bern' } } },
      { call: { id: 'call_2', name: 'get_weather', args: { city: 'Rome' } } },
    ],
    stop: 'tools',
    usage: { input: 5, read: 3, written: 2, output: 9, reasoning: 4 },
  };
  const body = { ...WIRES[wire].ask(askOf(SCENARIOS.tools, ''), 'some-model'), stream: true };
  if (wire === 'chat') body.stream_options = { include_usage: true };
  return readJsonEvents([...WIRES[wire].frames(made, body, 'good')].join('')).events;
}

const ofType = (events, type, which = 0) => events.filter((one) => one.json?.type === type).at(which);
const without = (events, one) => events.filter((other) => other !== one);
const first = (events, has) =>
  events.find((one) => one.json?.choices?.[0] && has(one.json.choices[0].delta, one.json.choices[0]));
const swap = (events, one, other) => {
  const [at, to] = [events.indexOf(one), events.indexOf(other)];
  [events[at], events[to]] = [events[to], events[at]];
};

const MUTATIONS = {
  chat: {
    'without [DONE]': (events) => events.slice(0, -1),
    'without a finish reason': (events) =>
      without(
        events,
        first(events, (_, choice) => choice.finish_reason),
      ),
    'with a finish reason that is none': (events) =>
      void (first(events, (_, choice) => choice.finish_reason).json.choices[0].finish_reason = 'end_turn'),
    'without its usage': (events) => events.filter((one) => !one.json?.usage),
    'with another id in the middle': (events) => void (events[3].json.id = 'other'),
    'without the role': (events) => events.slice(1),
    'with a call without an id': (events) =>
      void delete first(events, (delta) => delta.tool_calls?.[0].id).json.choices[0].delta.tool_calls[0].id,
    'with arguments cut off': (events) =>
      without(
        events,
        events.findLast((one) => one.json?.choices?.[0]?.delta.tool_calls),
      ),
    'with a member that nobody knows': (events) => void (events[2].json.choices[0].delta.thinking = 'x'),
    'with a named event': (events) => void (events[0].event = 'chunk'),
    'with usage as text': (events) => void (events.at(-2).json.usage.prompt_tokens = '5'),
  },
  responses: {
    'with a gap in sequence_number': (events) => without(events, ofType(events, 'response.in_progress')),
    'with two events swapped': (events) => swap(events, events[4], events[5]),
    'without its end': (events) => events.slice(0, -1),
    'with an item that never ends': (events) => renumbered(without(events, ofType(events, 'response.output_item.done', -1))),
    'with a delta left out': (events) => renumbered(without(events, ofType(events, 'response.output_text.delta', 1))),
    'without usage at its end': (events) => void delete events.at(-1).json.response.usage,
    'with other output at its end': (events) => void events.at(-1).json.response.output.pop(),
    'with an item id that changes': (events) => void (ofType(events, 'response.output_text.delta').json.item_id = 'other'),
    'with a delta for a part that is not open': (events) =>
      renumbered(without(events, ofType(events, 'response.content_part.added'))),
    'without logprobs, which are required': (events) => void delete ofType(events, 'response.output_text.delta').json.logprobs,
    'with an event that is none': (events) => void (events[4].json.type = events[4].event = 'response.thinking.delta'),
    'with an event name that is another': (events) => void (events[4].event = 'message'),
    'without a name in arguments.done': (events) => void delete ofType(events, 'response.function_call_arguments.done').json.name,
  },
  messages: {
    'without message_stop': (events) => events.slice(0, -1),
    'with two blocks open at once': (events) =>
      swap(events, ofType(events, 'content_block_stop'), ofType(events, 'content_block_start', 1)),
    'with an index left out': (events) => void events.forEach(({ json }) => json.index > 0 && (json.index += 1)),
    'with a delta of another kind': (events) =>
      void (ofType(events, 'content_block_delta').json.delta = { type: 'text_delta', text: 'x' }),
    'with input cut off': (events) => without(events, ofType(events, 'content_block_delta', -1)),
    'with a stop reason that is none': (events) => void (ofType(events, 'message_delta').json.delta.stop_reason = 'tool_calls'),
    'without usage at its start': (events) =>
      void delete ofType(events, 'message_start').json.message.usage.cache_read_input_tokens,
    'without output_tokens at its end': (events) => void delete ofType(events, 'message_delta').json.usage.output_tokens,
    'with a member that nobody knows': (events) =>
      void (ofType(events, 'content_block_start', 1).json.content_block.reasoning = 'x'),
    'with an event name that is another': (events) => void (events[3].event = 'message'),
    'with a block that has its text at its start': (events) =>
      void (ofType(events, 'content_block_start', 1).json.content_block.text = 'x'),
  },
};

const renumbered = (events) => events.map((one, at) => ({ ...one, json: { ...one.json, sequence_number: at } }));
const written = (events) =>
  events
    .map(
      ({ event, json, data }) =>
        `${event === undefined ? '' : `event: ${event}\n`}data: ${json ? JSON.stringify(json) : data}\n\n`,
    )
    .join('');

const REQUESTS = {
  chat: {
    'with a member of another wire': (body) => (body.max_output_tokens = 5),
    'without a model': (body) => delete body.model,
    'with a role that is none': (body) => (body.messages[0].role = 'model'),
    'with a tool result that nobody asked for': (body) => body.messages.push({ role: 'tool', tool_call_id: 'x', content: 'y' }),
    'with content of another wire': (body) => (body.messages[1].content = [{ type: 'input_text', text: 'x' }]),
    'with a schema of another wire in its tool': (body) => (body.tools[0].function.input_schema = {}),
  },
  responses: {
    'with a member of another wire': (body) => (body.messages = []),
    'with an item that is none': (body) => body.input.push({ type: 'tool_use', id: 'x' }),
    'with an output that nobody asked for': (body) =>
      body.input.push({ type: 'function_call_output', call_id: 'x', output: 'y' }),
    'with content of another wire': (body) => (body.input[0].content = [{ type: 'text', text: 'x' }]),
    'with an effort that is none': (body) => (body.reasoning = { effort: 'huge' }),
  },
  messages: {
    'with a member of another wire': (body) => (body.max_completion_tokens = 5),
    'without max_tokens': (body) => delete body.max_tokens,
    'with a result that nobody asked for': (body) =>
      body.messages.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'x' }] }),
    'with content of another wire': (body) => (body.messages[0].content = [{ type: 'image_url', image_url: { url: 'x' } }]),
    'with a temperature that the version refuses': (body) => (body.temperature = 0.5),
    'with thinking that was never issued': (body) =>
      body.messages.push({ role: 'assistant', content: [{ type: 'thinking', thinking: 'x', signature: 'forged' }] }),
    'with an empty text': (body) => (body.messages[0].content = [{ type: 'text', text: '' }]),
  },
};

export async function mutationChecks(schemas, check) {
  const { stream } = answerChecks(schemas);
  for (const [wire, mutations] of Object.entries(MUTATIONS))
    await check(`the check of ${wire} streams finds all ${Object.keys(mutations).length} ways of spoiling one`, () => {
      assert.deepEqual(stream(wire, written(goodEvents(wire))), []);
      for (const [how, spoil] of Object.entries(mutations)) {
        const events = goodEvents(wire);
        const spoilt = spoil(events) ?? events;
        assert.notDeepEqual(stream(wire, written(spoilt)), [], `a stream ${how} was found good`);
      }
    });
  await check('the fakes refuse every spoilt request, and credentials and headers that must not arrive', async () => {
    const scenarios = { plain: SCENARIOS.plain.respond };
    const fake = await startProvider({
      wires: Object.keys(WIRES),
      credential: 'right',
      secrets: ['sp-client-key'],
      scenarios,
      check: schemas.check,
    });
    const send = (wire, body, headers = {}) =>
      fetch(fake.url + WIRES[wire].path, {
        method: 'POST',
        headers: { ...HEADERS, ...OWN_HEADERS[wire], ...headers },
        body: JSON.stringify(body),
      });
    try {
      for (const wire of Object.keys(WIRES)) {
        const good = () => WIRES[wire].ask(askOf(SCENARIOS.tools, '[[plain:x]]'), 'some-model');
        const answer = await send(wire, good());
        assert.equal(answer.status, 200, `${wire}: ${await answer.text()}`);
        for (const [how, spoil] of Object.entries(REQUESTS[wire])) {
          const body = good();
          spoil(body);
          assert.equal((await send(wire, body)).status, 400, `a ${wire} request ${how} was found good`);
        }
        for (const headers of [
          { 'x-portkey-trace-id': 'x' },
          { 'x-sallyport-agent': 'x' },
          { 'x-custom': 'sp-client-key' },
          { authorization: 'Bearer wrong' },
          { 'content-type': 'text/plain' },
        ])
          assert.equal((await send(wire, good(), headers)).status, 400, `${wire}: ${JSON.stringify(headers)} arrived unnoticed`);
      }
    } finally {
      await fake.close();
    }
  });
}
