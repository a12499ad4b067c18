// examples/teams as somebody who copies it would start it: its servers, its gateway, and a key for each agent.

import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { printed, run, start, stop } from './processes.mjs';
import { READY } from './sallyport.mjs';

const DOCS_IN_DOCUMENTS = '127.0.0.1:7300';

/** Copies the npm servers alone: what they import stands in the folders above. */
async function copyServers(folder) {
  const wanted = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')).dependencies;
  for (const [name, version] of Object.entries(wanted)) {
    const installed = join(import.meta.dirname, 'node_modules', name);
    const found = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')).version;
    assert.equal(found, version, `${name}: examples/teams/package.json and tests/conformance/package.json differ`);
    await cp(installed, join(folder, 'node_modules', name), { recursive: true });
  }
}

/** A docs-server that comes back on the port that it had. */
function makeDocs(documents, options) {
  let child;
  let port = 0;
  return {
    async start(...args) {
      child = start('docs-server', [documents, String(port), ...args], options);
      port = Number(new URL((await printed(child, READY))[1]).port);
      return port;
    },
    stop: () => stop(child),
  };
}

/**
 * A copy of the example, prepared, with its docs-server running. Resolves to {path(...): of a file in the copy,
 * sallyport(...args): resolves to {code, stdout, stderr}, said(...args): its output, where it must not fail,
 * docs, startGateway(...settings), remove()}.
 */
export async function makePlace({ binary, servers, examples }) {
  const folder = await mkdtemp(join(import.meta.dirname, 'teams-'));
  const path = (...parts) => join(folder, ...parts);
  await cp(join(examples, 'teams'), folder, { recursive: true, filter: (one) => !/[/](run|node_modules)$/.test(one) });
  await copyServers(folder);
  const options = { cwd: folder, env: { ...process.env, PATH: [servers, process.env.PATH].join(delimiter) } };
  const must = async (command, args) => {
    const ended = await run(command, args, options);
    assert.equal(ended.code, 0, `${[command, ...args].join(' ')} ended with ${ended.code}: ${ended.stderr}${ended.stdout}`);
    return ended.stdout;
  };
  await must('./prepare', [resolve(examples, 'data/shop.sql')]);
  const docs = makeDocs(resolve(examples, 'data/documents'), options);
  const port = await docs.start();
  // The one thing that differs from the example as it stands: a port that is free.
  const documents = await readFile(path('registry/servers.yaml'), 'utf8');
  assert.equal(documents.split(DOCS_IN_DOCUMENTS).length, 2, `servers.yaml must name ${DOCS_IN_DOCUMENTS} once`);
  await writeFile(path('registry/servers.yaml'), documents.replace(DOCS_IN_DOCUMENTS, `127.0.0.1:${port}`));
  return {
    path,
    docs,
    sallyport: (...args) => run(binary, args, options),
    said: (...args) => must(binary, args),
    async startGateway(...settings) {
      const ports = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
      const gateway = start(binary, ['serve', ...ports, ...settings], options);
      const [, base] = await printed(gateway, READY);
      const [, admin] = await printed(gateway, /\badmin=(http:\/\/[^\s/]+)/);
      return { base, admin, log: () => gateway.log, stop: () => stop(gateway) };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
