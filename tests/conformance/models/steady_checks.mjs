// What reaches OpenAI's wires, judged by somebody else: @stdy/cli, a mock made of OpenAI's own description, as the provider.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { printed, start, stop, until } from '../processes.mjs';
import * as chat from './chat_wire.mjs';
import { sharedFolder } from './fakes.mjs';
import * as messages from './messages_wire.mjs';
import * as responses from './responses_wire.mjs';
import { SCENARIOS, askOf } from './scenarios.mjs';

const WIRES = { chat, responses, messages };
const PATHS = { chat: '/chat/completions', responses: '/responses' };
/** It cannot pick a free port itself. */
const anyPort = () => 20000 + Math.floor(Math.random() * 20000);

/** Resolves to {url, judged(): [{path, errors}] of all requests so far, stop()}. */
export async function startSteady() {
  const port = anyPort();
  const spec = join(sharedFolder(), 'data/openai-openapi-2.3.0.json');
  const program = join(import.meta.dirname, '../node_modules/@stdy/cli-linux-x64/bin/steady');
  const child = start(program, [
    '-p',
    String(port),
    '--host',
    '127.0.0.1',
    '--log-format',
    'json',
    '--no-color',
    '--generator-seed=1',
    spec,
  ]);
  await printed(child, /"?Ready|ready|"type":"(startup|ready)"/, 30);
  const url = `http://127.0.0.1:${port}`;
  await until(
    () =>
      fetch(`${url}/models`).then(
        () => true,
        () => false,
      ),
    'steady does not answer',
    20,
  );
  return {
    url,
    judged: () =>
      child.log
        .split('\n')
        .filter((line) => line.startsWith('{"type":"request"'))
        .map((line) => JSON.parse(line))
        .filter((one) => one.request.method === 'POST')
        .map((one) => ({ path: one.request.path, errors: one.diagnostics.filter((found) => found.severity === 'error') })),
    stop: () => stop(child, 'SIGKILL'),
  };
}

/** The first request of a scenario, and the one that brings the results of its tools. */
function bodies(wire, name, model) {
  const scenario = SCENARIOS[name];
  const first = WIRES[wire].ask(askOf(scenario, ''), model);
  if (!scenario.answers) return [first];
  const made = scenario.respond({ items: [] }, { wire, cell: 'steady' });
  if (wire === 'messages') for (const part of made.parts) delete part.signature;
  const parts = made.parts.filter((part) => part.thinking === undefined);
  const answer = WIRES[wire].answer({ ...made, parts }, first, 'steady');
  const results = parts.filter((part) => part.call).map(({ call }) => ({ id: call.id, text: scenario.answers[call.name] }));
  return [first, WIRES[wire].follow(first, answer, results)];
}

export async function steadyChecks(side, steady, check) {
  const post = (url, key, body) =>
    fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const verdicts = async (send) => {
    const before = steady.judged().length;
    const sent = await send();
    await until(() => steady.judged().length >= before + sent, 'requests that never reached steady');
    return steady
      .judged()
      .slice(before)
      .flatMap((one) => one.errors.map(({ code, message, requestPath }) => `${code} ${requestPath}: ${message}`));
  };
  const names = Object.keys(SCENARIOS).filter((name) => !SCENARIOS[name].fails);
  for (const to of Object.keys(PATHS)) {
    await check(`steady: knows a bad request of ${to} from a good one`, async () => {
      const sendTo = (body) => verdicts(() => post(steady.url + PATHS[to], 'x', body).then(() => 1));
      for (const name of names) for (const body of bodies(to, name, 'gpt-5-mini')) assert.deepEqual(await sendTo(body), [], name);
      const [spoilt] = bodies(to, 'tools', 'gpt-5-mini');
      spoilt.tools[0].type = 'tool';
      assert.equal((await sendTo(spoilt)).length, 1);
    });
    for (const client of Object.keys(WIRES))
      await check(`steady: finds nothing wrong with what a ${client} client sends to ${to}`, async () => {
        const found = [];
        for (const name of names)
          for (const body of bodies(client, name, `steady-${to}/gpt-5-mini`))
            for (const one of await verdicts(() => post(side.base + WIRES[client].path, side.key, body).then(() => 1)))
              found.push(`${name}: ${one}`);
        assert.deepEqual(found, []);
      });
  }
}
