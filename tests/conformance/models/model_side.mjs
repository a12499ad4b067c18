// A gateway over the fake providers, as somebody would configure it, and what the checks need of it.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { until } from '../processes.mjs';
import { startSallyport } from '../sallyport.mjs';
import { startFixture } from '../gateway.mjs';
import { ANTHROPIC_KEY, OPENAI_KEY, startFakes } from './fakes.mjs';
import { mark } from './fake_provider.mjs';

const AGENT = 'model-user';
/** Of the Anthropic fake; one that the catalogue knows. */
export const CLAUDE = 'claude-opus-4-8';

/** An address where nobody listens. */
async function deadUrl() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/v1`;
}

function documents({ openai, anthropic, dead, steady, fixture }) {
  const provider = (name, api, url, more = {}) => ({
    kind: 'Provider',
    name,
    api,
    base_url: url,
    allow_private: true,
    credential: 'openai-key',
    ...more,
  });
  return [
    { kind: 'Credential', name: 'openai-key', env: 'FAKE_OPENAI_KEY' },
    { kind: 'Credential', name: 'anthropic-key', env: 'FAKE_ANTHROPIC_KEY' },
    provider('openai-fake', 'openai', `${openai}/v1`, { aliases: { fast: 'gpt-5-mini' } }),
    provider('chat-fake', 'openai-compatible', `${openai}/v1`),
    provider('responses-fake', 'openai-responses', `${openai}/v1`),
    provider('dead-fake', 'openai-compatible', dead),
    provider('steady-chat', 'openai-compatible', steady),
    provider('steady-responses', 'openai-responses', steady),
    provider('anthropic-fake', 'anthropic', anthropic, { credential: 'anthropic-key' }),
    { kind: 'VirtualKey', name: 'team-key', provider: 'openai-fake', models: ['gpt-5*'] },
    {
      kind: 'Route',
      name: 'main',
      config: {
        strategy: { mode: 'fallback' },
        targets: [{ provider: '@openai-fake' }, { provider: '@anthropic-fake', override_params: { model: CLAUDE } }],
      },
    },
    { kind: 'Server', name: 'fixture', transport: { type: 'streamable-http', url: fixture, allow_private: true } },
    { kind: 'VirtualServer', name: 'sums', tools: [{ from: 'fixture', include: ['add'], prefix: '' }] },
    {
      kind: 'Policy',
      name: 'models',
      subjects: ['agent:*'],
      rules: [
        { effect: 'allow', models: ['*'] },
        { effect: 'deny', models: ['*/forbidden-*'] },
        { effect: 'allow', tools: ['fixture/*'] },
      ],
    },
  ];
}

/** scenarios: name -> respond, for both fakes; steady: base URL of another provider. Resolves to what every check is handed. */
export async function startModelSide({ binary, scenarios, schemas, steady }) {
  const secrets = [];
  const fakes = await startFakes({ scenarios, check: schemas.check, secrets });
  const fixture = await startFixture(process.execPath);
  process.env.FAKE_OPENAI_KEY = OPENAI_KEY;
  process.env.FAKE_ANTHROPIC_KEY = ANTHROPIC_KEY;
  const gateway = await startSallyport({
    binary,
    agent: AGENT,
    documents: documents({ openai: fakes.openai.url, anthropic: fakes.anthropic.url, dead: await deadUrl(), steady, fixture }),
  });
  secrets.push(gateway.key);
  await gateway.command('server', 'test', 'fixture');
  let marks = 0;
  const expected = [];
  const records = async () =>
    (await gateway.command('audit', 'tail', '-n', '0', '-o', 'json'))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  const all = () => [...fakes.openai.requests, ...fakes.anthropic.requests];
  return {
    base: gateway.base,
    key: gateway.key,
    gateway,
    fakes,
    schemas,
    records,
    /** {text: names the scenario to the fakes, seen(): the requests that it led to}. */
    ask(scenario, words = 'Say something.') {
      const cell = `check-${(marks += 1)}`;
      return {
        text: `${mark(scenario, cell)} ${words}`,
        seen: () =>
          all()
            .filter((one) => one.cell === cell)
            .toSorted((one, other) => one.at - other.at),
      };
    },
    /** The records of the calls of a trace, intents and outcomes, once `enough` calls have ended. */
    recordsOf: (trace, enough = 1) =>
      until(async () => {
        const written = await records();
        const calls = new Set(written.filter((one) => one.trace === trace).map((one) => one.call));
        const found = written.filter((one) => calls.has(one.call));
        return found.filter((one) => one.type === 'outcome').length >= enough && found;
      }, `fewer than ${enough} calls of trace ${trace} have ended in the journal`),
    expected,
    /** What the fakes found wrong with anything that reached them, but for what is expected. */
    complaints: () =>
      all()
        .flatMap((one) => one.problems.map((problem) => `${one.cell ?? one.wire}: ${problem}`))
        .filter((problem) => !expected.some((one) => one.test(problem))),
    /** Rejects with the end of the gateway's log where the gateway is no more. */
    alive: () =>
      fetch(`${gateway.base}/healthz`).catch(() => {
        const log = gateway.log();
        throw new Error(`the gateway is gone: ${log.slice(Math.max(0, log.indexOf('ERROR: '))).slice(0, 3000)}`);
      }),
    async stop() {
      const code = await gateway.stop();
      await fakes.close();
      assert.equal(code, 0, `the gateway ends with ${code}`);
    },
  };
}
