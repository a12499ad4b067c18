// The MCP Inspector's command line, one process per request.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { checkSession } from '../checks.mjs';
import { run } from '../processes.mjs';

async function inspect(era, target, method, more) {
  const program = join(target.modules, '@modelcontextprotocol/inspector/clients/launcher/build/index.js');
  const headers = Object.entries(target.headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]);
  const { code, stdout, stderr } = await run(target.node, [
    program, '--cli', target.url, '--transport', 'http', '--protocol-era', era, '--format', 'json', ...headers,
    '--method', method, ...more,
  ]);
  // 5: the tool itself reported an error, which is an answer.
  assert.ok(code === 0 || code === 5, `inspector ended with ${code}: ${stderr || stdout}`);
  const answer = JSON.parse(stdout);
  return answer.result ?? answer;
}

function sessionOf(era, target) {
  const ask = (method, ...more) => inspect(era, target, method, more);
  return {
    listTools: async () => (await ask('tools/list')).tools.map((tool) => tool.name),
    callTool: (name, args) => ask('tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)),
    readResource: (uri) => ask('resources/read', '--uri', uri),
    getPrompt: (name, args) =>
      ask('prompts/get', '--prompt-name', name, '--prompt-args', ...Object.entries(args).map(([k, v]) => `${k}=${v}`)),
  };
}

const one = (era) => ({
  name: `inspector ${era}`,
  modernOnly: era === 'modern',
  run: (target, report) => checkSession(sessionOf(era, target), target, report),
});

export const clients = ['legacy', 'auto', 'modern'].map(one);
