// Claude Code, headless and unmodified, against a model that does as it is told (fake_anthropic.mjs).

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALLOWED } from '../checks.mjs';
import { callOnce, fakeAnthropic } from '../fake_anthropic.mjs';
import { run } from '../processes.mjs';

const QUIET = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_AUTOUPDATER: '1',
};

/** Runs Claude Code with a plan for its model; `tools` are those it may call. Resolves to {answer, listed}. */
export async function runHeadless(negotiation, target, tools, plan) {
  const home = await mkdtemp(join(tmpdir(), 'claude-'));
  const model = await fakeAnthropic(plan);
  try {
    const config = { mcpServers: { gw: { type: 'http', url: target.url, headers: target.headers } } };
    await writeFile(join(home, 'mcp.json'), JSON.stringify(config));
    const ended = await run(
      join(target.modules, '.bin/claude'),
      ['-p', 'call the tool', '--mcp-config', join(home, 'mcp.json'), '--strict-mcp-config', '--allowedTools', tools.join(','),
        '--output-format', 'json', '--debug-file', join(home, 'debug.log')],
      {
        cwd: home,
        env: {
          HOME: home,
          PATH: process.env.PATH,
          TERM: 'dumb',
          ANTHROPIC_BASE_URL: model.url,
          ANTHROPIC_AUTH_TOKEN: 'fake',
          ENABLE_TOOL_SEARCH: 'false',
          MCP_PROTOCOL_NEGOTIATION: negotiation,
          ...QUIET,
        },
      },
    );
    const log = await readFile(join(home, 'debug.log'), 'utf8').catch(() => '');
    assert.equal(ended.code, 0, `claude ended with ${ended.code}: ${ended.stderr}${ended.stdout}\n${log.slice(-2000)}`);
    return { answer: JSON.parse(ended.stdout).result, listed: model.listed };
  } finally {
    await model.close();
    await rm(home, { recursive: true, force: true });
  }
}

/** Lets Claude Code look at a server that it has no credential for; resolves to what it says of it. */
export async function claudeStatus(url, modules = join(import.meta.dirname, '../node_modules')) {
  const home = await mkdtemp(join(tmpdir(), 'claude-'));
  const model = await fakeAnthropic(() => ({ say: 'FINAL: nothing to do' }));
  try {
    await writeFile(join(home, 'mcp.json'), JSON.stringify({ mcpServers: { gw: { type: 'http', url } } }));
    const ended = await run(
      join(modules, '.bin/claude'),
      ['-p', 'hello', '--mcp-config', join(home, 'mcp.json'), '--strict-mcp-config', '--output-format', 'stream-json', '--verbose',
        '--debug-file', join(home, 'debug.log')],
      {
        cwd: home,
        env: { HOME: home, PATH: process.env.PATH, TERM: 'dumb', ANTHROPIC_BASE_URL: model.url, ANTHROPIC_AUTH_TOKEN: 'fake', ...QUIET },
      },
    );
    const log = await readFile(join(home, 'debug.log'), 'utf8').catch(() => '');
    const first = ended.stdout.split('\n').find((line) => line.includes('"mcp_servers"'));
    const status = first && JSON.parse(first).mcp_servers.find((one) => one.name === 'gw')?.status;
    return { status, log: `${ended.stderr}\n${log}` };
  } finally {
    await model.close();
    await rm(home, { recursive: true, force: true });
  }
}

function converse(negotiation, target, server, tool, input) {
  const name = `mcp__gw__${target.name(server, tool)}`;
  return runHeadless(negotiation, target, [name], callOnce(name, input));
}

async function runClaude(negotiation, target, report) {
  const check = async (name, work) => {
    try {
      await work();
      report(name);
    } catch (problem) {
      report(name, problem);
    }
  };
  if (target.servers.includes('everything'))
    await check('calls echo on everything', async () => {
      const { answer } = await converse(negotiation, target, 'everything', 'echo', { message: 'hello' });
      assert.ok(answer.startsWith('FINAL:') && answer.includes('Echo: hello'), answer);
    });
  if (target.servers.includes('fixture'))
    await check('offers the model what it may use, and calls it', async () => {
      const { answer, listed } = await converse(negotiation, target, 'fixture', 'add', { a: 40, b: 2 });
      assert.ok(answer.startsWith('FINAL:') && answer.includes('42'), answer);
      for (const tool of ALLOWED.fixture) assert.ok(listed.has(`mcp__gw__${target.name('fixture', tool)}`), `${tool} missing`);
      if (target.guarded) assert.ok(!listed.has(`mcp__gw__${target.name('fixture', 'forbidden')}`));
    });
}

const one = (negotiation) => ({
  name: `claude code ${negotiation}`,
  run: (target, report) => runClaude(negotiation, target, report),
});

export const clients = ['legacy', 'auto'].map(one);
