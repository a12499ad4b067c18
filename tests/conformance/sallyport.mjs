// One gateway on a fresh data directory.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printed, run, start, stop } from './processes.mjs';

/** The first URL in the line that says that a program is ready. */
export const READY = /^.*\bready\b.*?(http:\/\/[^\s/]+)/m;

/**
 * Applies the documents, makes a key for `agent` if one is named, and starts the gateway. Resolves to
 * {base, key, command(...args), withInput(text, ...args), log(), stop(): resolves to the exit code}.
 */
export async function startSallyport({ binary, documents, agent, settings = [] }) {
  const home = await mkdtemp(join(tmpdir(), 'sallyport-conformance-'));
  const data = join(home, 'data');
  const withInput = async (input, ...args) => {
    const ended = await run(binary, [...args, '--data', data], { input });
    assert.equal(ended.code, 0, `sallyport ${args.join(' ')} ended with ${ended.code}: ${ended.stderr}${ended.stdout}`);
    return ended.stdout;
  };
  const command = (...args) => withInput(undefined, ...args);
  const file = join(home, 'documents.yaml');
  await writeFile(file, documents.map((one) => JSON.stringify(one)).join('\n---\n') + '\n');
  await command('apply', '-f', file);
  const key = agent && JSON.parse(await command('key', 'create', '--agent', agent, '-o', 'json')).key;
  const gateway = start(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', ...settings]);
  const [, base] = await printed(gateway, READY);
  return {
    base,
    key,
    command,
    withInput,
    log: () => gateway.log,
    async stop() {
      const code = await stop(gateway);
      await rm(home, { recursive: true, force: true });
      return code;
    },
  };
}

/** An upstream over HTTP on this machine. */
export const httpServer = (name, url, more = {}) => ({
  kind: 'Server',
  name,
  transport: { type: 'streamable-http', url, allow_private: true },
  ...more,
});

/** A virtual server that anybody may use and that shows one server as it is: its names, its URIs. */
export const openDoor = (name, server = name) => ({
  kind: 'VirtualServer',
  name,
  access: 'anonymous',
  tools: [{ from: server, prefix: '' }],
  prompts: [{ from: server, prefix: '' }],
  resources: [{ from: server }],
});
