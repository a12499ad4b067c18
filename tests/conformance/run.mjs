// Runs real MCP clients, unmodified, against real MCP servers: through the gateway, or directly to see what they do without it.
//
//   run.mjs [--binary PATH] [--only TEXT]        through the gateway
//   run.mjs --direct fixture|everything|URL      the same clients, straight to one server

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startEverything, startFixture, startGateway } from './gateway.mjs';
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

async function directTarget(which) {
  const starters = { fixture: startFixture, everything: startEverything };
  const url = starters[which] ? await starters[which](node, modules) : which;
  const servers = starters[which] ? [which] : [];
  const target = { url, node, modules, headers: {}, servers, guarded: false, modern: which !== 'everything' };
  target.name = (server, tool) => tool;
  return { target, check: async () => {}, stop: async () => 0, log: () => '' };
}

async function allClients() {
  const files = ['sdk', 'inspector', 'claude_code'];
  const modules = await Promise.all(files.map((file) => import(`./clients/${file}.mjs`)));
  return modules.flatMap((module) => module.clients).filter((client) => client.name.includes(options.only));
}

async function main() {
  const binary = resolve(options.binary);
  if (!options.direct && !existsSync(binary)) throw new Error(`no ${binary}; run ./dev build`);
  const side = options.direct ? await directTarget(options.direct) : await startGateway({ binary, node, modules });
  let failures = 0;
  const print = (client, name, problem) => {
    failures += problem ? 1 : 0;
    console.log(`${problem ? 'FAILED' : 'ok    '}  ${client.padEnd(20)}  ${name}`);
    if (problem) console.log(`        ${String(options.verbose ? problem.stack : problem.message).replaceAll('\n', '\n        ')}`);
  };
  for (const client of await allClients()) {
    if (client.modernOnly && !side.target.modern) continue;
    await client.run(side.target, (name, problem) => print(client.name, name, problem));
  }
  await side.check().then(
    () => print('gateway', 'keeps a record that verifies, and no key in its log'),
    (problem) => print('gateway', 'keeps a record that verifies, and no key in its log', problem),
  );
  const code = await side.stop();
  print('gateway', 'ends cleanly', code === 0 ? undefined : new Error(`exit code ${code}`));
  if (failures > 0 && options.verbose) console.log(side.log());
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
