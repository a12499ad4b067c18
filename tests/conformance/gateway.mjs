// The servers on one side of the gateway, and the gateway itself.

import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { ALLOWED } from './checks.mjs';
import { printed, run, start, stop } from './processes.mjs';

// The first URL in the line that says that a program is ready.
const READY = /^.*\bready\b.*?(http:\/\/[^\s/]+)/m;

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

function documents({ node, modules, folder, fixtureUrl, everythingUrl }) {
  const stdio = (name, args, more = {}) => ({
    kind: 'Server',
    name,
    transport: { type: 'stdio', command: node, args, ...more.transport },
    ...more.server,
  });
  const http = (name, url) => ({
    kind: 'Server',
    name,
    transport: { type: 'streamable-http', url, allow_private: true },
  });
  const allowed = Object.entries(ALLOWED).flatMap(([name, tools]) => tools.map((tool) => `${name}/${tool}`));
  return [
    http('fixture', fixtureUrl),
    http('everything', everythingUrl),
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
  const data = join(home, 'data');
  await mkdir(folder);
  const file = join(folder, 'note.txt');
  await writeFile(file, 'ink and paper\n');
  const [fixtureUrl, everythingUrl] = await Promise.all([startFixture(node), startEverything(node, modules)]);
  const config = join(home, 'servers.yaml');
  const all = documents({ node, modules, folder, fixtureUrl, everythingUrl });
  await writeFile(config, all.map((one) => JSON.stringify(one)).join('\n---\n') + '\n');

  const command = async (...args) => {
    const ended = await run(binary, [...args, '--data', data]);
    assert.equal(ended.code, 0, `sallyport ${args.join(' ')} ended with ${ended.code}: ${ended.stderr}${ended.stdout}`);
    return ended.stdout;
  };
  await command('apply', '-f', config);
  const { key } = JSON.parse(await command('key', 'create', '--agent', 'conformance', '-o', 'json'));
  const gateway = start(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']);
  const [, base] = await printed(gateway, READY);
  // The first list does not wait for a server that is slow to start; here each must have answered.
  for (const name of Object.keys(ALLOWED)) await command('server', 'test', name);
  return {
    target: {
      url: `${base}/mcp`,
      node,
      modules,
      file,
      headers: { Authorization: `Bearer ${key}` },
      servers: Object.keys(ALLOWED),
      guarded: true,
      modern: true,
      name: (from, tool) => `${from}__${tool}`,
    },
    async check() {
      await command('audit', 'verify');
      assert.ok(!gateway.log.includes(key), "the client's key stands in the log");
    },
    stop: () => stop(gateway),
    log: () => gateway.log,
  };
}
