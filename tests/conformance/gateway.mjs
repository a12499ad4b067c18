// The servers on one side of the gateway, and the gateway itself.

import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { ALLOWED } from './checks.mjs';
import { printed, start } from './processes.mjs';
import { READY, httpServer, openDoor, startSallyport } from './sallyport.mjs';

const server = (modules, name) => join(modules, '@modelcontextprotocol', name, 'dist/index.js');

/** Starts the dual-era fixture; resolves to its URL. */
export async function startFixture(node) {
  const child = start(node, [join(import.meta.dirname, 'fixture.mjs')]);
  return `${(await printed(child, READY))[1]}/mcp`;
}

/** Starts server-everything over Streamable HTTP (legacy only); resolves to its URL. It cannot pick a free port itself. */
export async function startEverything(node, modules) {
  const port = 20000 + Math.floor(Math.random() * 20000);
  const env = { ...process.env, PORT: String(port) };
  const child = start(node, [server(modules, 'server-everything'), 'streamableHttp'], { env });
  await printed(child, /listening on port/i);
  return `http://127.0.0.1:${port}/mcp`;
}

/** Starts the suites' fixture; resolves to {url, counts(), reset()}. */
export async function startSuiteFixture(node) {
  const child = start(node, [join(import.meta.dirname, 'suite_fixture.mjs')]);
  const base = (await printed(child, READY))[1];
  return {
    url: `${base}/mcp`,
    counts: async () => (await fetch(`${base}/counts`)).json(),
    reset: () => fetch(`${base}/reset`, { method: 'POST' }),
  };
}

/** Starts the gateway over the suites' fixture alone, with the link pinned to one era; resolves as startGateway does. */
export async function startSuiteGateway({ binary, node, modules, era }) {
  const fixture = await startSuiteFixture(node);
  const documents = [httpServer('suite', fixture.url, { era }), openDoor('suite')];
  const gateway = await startSallyport({ binary, documents, settings: ['--access-log'] });
  await gateway.command('server', 'test', 'suite');
  return {
    target: {
      title: `upstream ${era}`,
      url: `${gateway.base}/mcp/suite`,
      node,
      modules,
      headers: {},
      whole: true,
      modern: true,
      counts: fixture.counts,
      reset: fixture.reset,
      log: gateway.log,
      name: (from, tool) => tool,
    },
    check: () => gateway.command('audit', 'verify'),
    stop: gateway.stop,
    log: gateway.log,
  };
}

function documents({ node, modules, folder, fixtureUrl, everythingUrl }) {
  const stdio = (name, args, more = {}) => ({
    kind: 'Server',
    name,
    transport: { type: 'stdio', command: node, args, ...more.transport },
    ...more.server,
  });
  const allowed = Object.entries(ALLOWED).flatMap(([name, tools]) => tools.map((tool) => `${name}/${tool}`));
  return [
    httpServer('fixture', fixtureUrl),
    httpServer('everything', everythingUrl),
    // The same program twice claims the same URIs twice; this one gives way.
    stdio('everything-stdio', [server(modules, 'server-everything'), 'stdio'], { server: { uris: 'prefix' } }),
    stdio('files', [server(modules, 'server-filesystem'), folder]),
    stdio('memory', [server(modules, 'server-memory')], {
      transport: { env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') } },
    }),
    { kind: 'Agent', name: 'conformance' },
    {
      kind: 'Policy',
      name: 'conformance',
      subjects: ['agent:conformance'],
      rules: [
        { effect: 'allow', tools: allowed, prompts: ['*'], resources: ['*'] },
        { effect: 'deny', tools: ['*/forbidden'] },
      ],
    },
  ];
}

/** Starts the gateway over all servers; resolves to {target, check(): after the clients, stop(): resolves to the exit code}. */
export async function startGateway({ binary, node, modules }) {
  const home = await mkdtemp(join(tmpdir(), 'sallyport-conformance-'));
  const folder = join(home, 'files');
  await mkdir(folder);
  const file = join(folder, 'note.txt');
  await writeFile(file, 'ink and paper\n');
  const [fixtureUrl, everythingUrl] = await Promise.all([startFixture(node), startEverything(node, modules)]);
  const all = documents({ node, modules, folder, fixtureUrl, everythingUrl });
  const gateway = await startSallyport({ binary, documents: all, agent: 'conformance' });
  // The first list does not wait for a server that is slow to start; here each must have answered.
  for (const name of Object.keys(ALLOWED)) await gateway.command('server', 'test', name);
  return {
    target: {
      url: `${gateway.base}/mcp`,
      node,
      modules,
      file,
      headers: { Authorization: `Bearer ${gateway.key}` },
      servers: Object.keys(ALLOWED),
      guarded: true,
      modern: true,
      name: (from, tool) => `${from}__${tool}`,
    },
    async check() {
      await gateway.command('audit', 'verify');
      assert.ok(!gateway.log().includes(gateway.key), "the client's key stands in the log");
    },
    stop: gateway.stop,
    log: gateway.log,
  };
}
