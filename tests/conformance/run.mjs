// Runs real MCP clients, unmodified, against real MCP servers: through the gateway, or directly to see what they do without it.
//
//   run.mjs [--binary PATH] [--only TEXT]           through the gateway
//   run.mjs --direct fixture|everything|suite|URL   the same clients, straight to one server

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startEverything, startFixture, startGateway, startSuiteFixture, startSuiteGateway } from './gateway.mjs';
import { killAll } from './processes.mjs';

const { values: options } = parseArgs({
  options: {
    binary: { type: 'string', default: 'build/release/sallyport' },
    direct: { type: 'string' },
    only: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
  },
});
const node = process.execPath;
const modules = join(import.meta.dirname, 'node_modules');

async function directSide(which) {
  const target = { node, modules, headers: {}, servers: [], guarded: false, modern: which !== 'everything', log: () => '' };
  target.name = (server, tool) => tool;
  if (which === 'suite') Object.assign(target, { whole: true }, await startSuiteFixture(node));
  else if (which === 'fixture') Object.assign(target, { url: await startFixture(node), servers: [which] });
  else if (which === 'everything') Object.assign(target, { url: await startEverything(node, modules), servers: [which] });
  else target.url = which;
  return { target, check: async () => {}, stop: async () => 0, log: () => '' };
}

/** What the clients talk to, one after the other. */
function sides() {
  if (options.direct) return [() => directSide(options.direct)];
  const binary = resolve(options.binary);
  if (!existsSync(binary)) throw new Error(`no ${binary}; run ./dev build`);
  const suite = (era) => () => startSuiteGateway({ binary, node, modules, era });
  return [() => startGateway({ binary, node, modules }), suite('legacy'), suite('modern')];
}

async function allClients() {
  const files = ['sdk', 'inspector', 'claude_code', 'sdk_whole', 'claude_code_whole'];
  const modules = await Promise.all(files.map((file) => import(`./clients/${file}.mjs`)));
  return modules.flatMap((module) => module.clients).filter((client) => client.name.includes(options.only));
}

/** Runs every client that fits; resolves to the number of failures. */
async function runSide(side) {
  const { target } = side;
  let failures = 0;
  const print = (client, name, problem) => {
    failures += problem ? 1 : 0;
    const who = target.title ? `${client}, ${target.title}` : client;
    console.log(`${problem ? 'FAILED' : 'ok    '}  ${who.padEnd(38)}  ${name}`);
    if (problem) console.log(`        ${String(options.verbose ? problem.stack : problem.message).replaceAll('\n', '\n        ')}`);
  };
  for (const client of await allClients()) {
    if (client.modernOnly && !target.modern) continue;
    if (Boolean(client.whole) !== Boolean(target.whole)) continue;
    await client.run(target, (name, problem) => print(client.name, name, problem));
  }
  await side.check().then(
    () => print('gateway', 'keeps a record that verifies, and no key in its log'),
    (problem) => print('gateway', 'keeps a record that verifies, and no key in its log', problem),
  );
  const code = await side.stop();
  print('gateway', 'ends cleanly', code === 0 ? undefined : new Error(`exit code ${code}`));
  if (failures > 0 && options.verbose) console.log(side.log());
  return failures;
}

async function main() {
  let failures = 0;
  for (const start of sides()) failures += await runSide(await start());
  console.log(failures === 0 ? 'conformance: all passed' : `conformance: ${failures} failed`);
  return failures === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (problem) {
  console.error(`conformance: ${options.verbose ? problem.stack : problem.message}`);
  process.exitCode = 1;
} finally {
  killAll();
}
