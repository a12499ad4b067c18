// Every wire of clients with every wire of providers, in every scenario, streamed and whole.

import { isDeepStrictEqual } from 'node:util';
import * as chat from './chat_wire.mjs';
import { answerChecks, withThinking } from './answers.mjs';
import { call } from './client_calls.mjs';
import { mark } from './fake_provider.mjs';
import * as messages from './messages_wire.mjs';
import * as responses from './responses_wire.mjs';
import { SCENARIOS, askOf } from './scenarios.mjs';

const WIRES = { chat, responses, messages };
const show = (value) => JSON.stringify(value)?.slice(0, 400);
const same = (what, got, wanted) => (isDeepStrictEqual(got, wanted) ? [] : [`${what}: ${show(got)} instead of ${show(wanted)}`]);
const bare = (value) => JSON.parse(JSON.stringify(value ?? null));

/** What the provider saw, held against what the client asked. */
function seenProblems(scenario, asked, seen, provider, client) {
  const problems = [
    ...same('system at the provider', seen.system, asked.system),
    ...same('limit at the provider', seen.max, asked.max),
    ...same('thinking at the provider', Boolean(seen.reasoning), Boolean(asked.reasoning)),
    ...same('tools at the provider', seen.tools.length, (asked.tools ?? []).length),
  ];
  const [user] = asked.items;
  const got = bare(seen.items[0]);
  for (const part of got.user ?? []) if (part.file && part.file.name === undefined) delete part.file.name;
  problems.push(...same('what the user said, at the provider', got, bare(user)));
  for (const [at, tool] of (asked.tools ?? []).entries()) {
    const found = seen.tools[at] ?? {};
    problems.push(
      ...same('name of the tool', found.name, tool.name),
      ...same('description of the tool', found.description, tool.description),
    );
    if (!tool.custom) problems.push(...same('schema of the tool', bare(found.schema), bare(tool.schema)));
    else if (!found.custom && found.schema?.properties?.input?.type !== 'string')
      problems.push(`a free-text tool became ${show(found)}`);
  }
  problems.push(...same('schema of the answer', bare(seen.json?.schema), bare(asked.json?.schema)));
  if (asked.json && provider !== 'messages' && client !== 'messages')
    problems.push(...same('name of the schema', seen.json?.name, asked.json.name));
  return problems;
}

/** A free-text call, as this client's wire can have it. */
const callFor = (wire, { input, ...rest }) =>
  input === undefined ? rest : wire === 'messages' ? { ...rest, args: { input } } : { ...rest, input };

/** What the client read, held against what the provider answered. */
function readProblems(client, made, got) {
  const of = (turn, kind) => turn.parts.filter((part) => part[kind] !== undefined).map((part) => part[kind]);
  const problems = [...same('stop', got.stop, made.stop), ...same('usage', got.usage, made.usage)];
  problems.push(...same('thinking', of(got, 'thinking').join(''), of(made, 'thinking').join('')));
  problems.push(...same('calls', bare(of(got, 'call')), bare(of(made, 'call').map((one) => callFor(client, one)))));
  const [refusal] = of(made, 'refusal');
  const text = of(got, 'text').join('');
  if (refusal === undefined) problems.push(...same('text', text, of(made, 'text').join('')));
  else if (!`${of(got, 'refusal').join('')}${text}`.includes(refusal))
    problems.push(`refusal: ${show(got.parts)} instead of ${show(refusal)}`);
  return problems;
}

/** What the provider saw of the turns before, in the second call of a conversation. */
function historyProblems(client, made, answers, seen, kept) {
  const said = seen.items.find((item) => item.calls);
  const calls = made.parts.filter((part) => part.call).map((part) => part.call);
  const text = made.parts.map((part) => part.text ?? '').join('');
  const argsOf = (one) => one.args ?? { input: one.input };
  const problems = [
    ...same(
      'calls in the history',
      bare(said?.calls.map((one) => [one.id, one.name, argsOf(one)])),
      bare(calls.map((one) => [one.id, one.name, argsOf(one)])),
    ),
    ...same('text in the history', said?.text, text),
    ...same(
      'results in the history',
      seen.items.filter((item) => item.result).map((item) => item.result),
      calls.map((one) => ({ id: one.id, text: answers[one.name] })),
    ),
  ];
  const signatures = made.parts.filter((part) => part.signature).map((part) => part.signature);
  if (kept) problems.push(...same('signature of the thinking that went back', said?.thinking, signatures));
  return problems;
}

/** Runs one cell; resolves to its problems. */
async function runCell({ client, provider, scenario: name, stream, gateway, target, checks }) {
  const scenario = SCENARIOS[name];
  const wire = WIRES[client];
  const cell = `${client}.${provider}.${name}.${stream ? 'stream' : 'whole'}`;
  const asked = askOf(scenario, mark(name, cell));
  const body = wire.ask(asked, target.model);
  const once = async (sent) => {
    const got = await call(client, gateway, sent, stream);
    const refused = target.provider.of(cell).flatMap((one) => one.problems);
    if (refused.length > 0) throw new Error(`the provider refuses what it got: ${refused.join('; ')}`);
    return got;
  };
  const problems = [];
  const first = await once(body);
  const [entry] = target.provider.of(cell);
  if (!entry) throw new Error(`never reached the provider: ${first.status} ${first.text ?? first.problem}`);
  problems.push(...seenProblems(scenario, asked, entry.request, provider, client));
  if (scenario.fails) return [...problems, ...errorProblems(scenario.fails, first, client, checks)];
  problems.push(...shapeProblems(client, first, stream, checks));
  if (!first.answer) return problems;
  const answer = stream ? withThinking(client, first.answer, first.text) : first.answer;
  const made = scenario.respond(entry.request, { wire: entry.wire, cell });
  problems.push(...readProblems(client, made, wire.readAnswer(answer)));
  if (!scenario.answers || problems.length > 0) return problems;

  const calls = wire
    .readAnswer(answer)
    .parts.filter((part) => part.call)
    .map((part) => part.call);
  const results = calls.map((one) => ({ id: one.id, text: scenario.answers[one.name] }));
  const second = await once(wire.follow(body, answer, results));
  problems.push(...shapeProblems(client, second, stream, checks));
  const seen = target.provider.of(cell).at(-1);
  const kept = provider !== 'chat' && (client !== 'chat' || answer.choices[0].message.reasoning_details !== undefined);
  problems.push(...historyProblems(client, made, scenario.answers, seen.request, kept));
  if (second.answer)
    problems.push(
      ...same('the last word', wire.readAnswer(second.answer).parts[0]?.text, scenario.respond(seen.request, {}).parts[0].text),
    );
  return problems;
}

function shapeProblems(client, { answer, problem, status, text }, stream, checks) {
  const problems = status === 200 ? [] : [`status ${status}: ${text?.slice(0, 500)}`];
  if (status === 200) problems.push(...(stream ? checks.stream(client, text) : checks.whole(client, JSON.parse(text))));
  if (!answer) problems.push(`the SDK throws ${problem?.stack?.split('\n').slice(0, 3).join(' ')}`);
  return problems;
}

function errorProblems({ status, words }, got, client, checks) {
  if (got.answer) return [`an answer instead of an error: ${show(got.answer)}`];
  const problems = [...same('status', got.status, status), ...same("status of the SDK's error", got.problem.status, status)];
  let json;
  try {
    json = JSON.parse(got.text);
  } catch {
    return [...problems, `no JSON: ${got.text}`];
  }
  problems.push(...checks.error(client, json));
  if (!json.error?.message?.includes(words)) problems.push(`the words of the provider are gone: ${show(json)}`);
  if (!String(got.problem.message).includes(words)) problems.push(`the SDK says ${got.problem.message}`);
  return problems;
}

/**
 * targets: wire of the provider -> {model: as clients address it, provider: the fake}. Runs the cells whose name holds `only`,
 * some at a time; resolves to [{cell, client, provider, problems}].
 */
export async function runMatrix({ gateway, targets, schemas, only = '', width = 8 }) {
  const checks = answerChecks(schemas);
  const cells = [];
  for (const client of Object.keys(WIRES))
    for (const provider of Object.keys(targets))
      for (const scenario of Object.keys(SCENARIOS))
        for (const stream of [false, true]) cells.push({ client, provider, scenario, stream });
  const wanted = cells.filter((one) => `${one.client} ${one.provider} ${one.scenario}`.includes(only));
  const results = [];
  const worker = async () => {
    for (let one = wanted.shift(); one; one = wanted.shift()) {
      const problems = await runCell({ ...one, gateway, target: targets[one.provider], checks }).catch((problem) => [
        problem.message,
      ]);
      results.push({ ...one, problems });
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}
