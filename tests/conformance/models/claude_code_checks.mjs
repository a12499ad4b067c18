// Claude Code, headless and unmodified, with the gateway as its model and as its MCP server: both are one trace.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../processes.mjs';
import { CLAUDE } from './model_side.mjs';

const QUIET = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_AUTOUPDATER: '1',
};
/** Without these it keeps the trace that it was started in to itself. */
const TRACED = {
  CLAUDE_CODE_ENABLE_TELEMETRY: '1',
  CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: '1',
  CLAUDE_CODE_PROPAGATE_TRACEPARENT: '1',
};

async function runClaude(side, { model, trace, text }) {
  const home = await mkdtemp(join(tmpdir(), 'claude-'));
  try {
    const server = { type: 'http', url: `${side.base}/mcp/sums`, headers: { Authorization: `Bearer ${side.key}` } };
    await writeFile(join(home, 'mcp.json'), JSON.stringify({ mcpServers: { gw: server } }));
    const ended = await run(
      join(import.meta.dirname, '../node_modules/.bin/claude'),
      [
        '-p',
        text,
        '--model',
        model,
        '--mcp-config',
        join(home, 'mcp.json'),
        '--strict-mcp-config',
        '--allowedTools',
        'mcp__gw__add',
        '--output-format',
        'json',
        '--debug-file',
        join(home, 'debug.log'),
      ],
      {
        cwd: home,
        env: {
          HOME: home,
          PATH: process.env.PATH,
          TERM: 'dumb',
          ANTHROPIC_BASE_URL: side.base,
          ANTHROPIC_AUTH_TOKEN: side.key,
          ANTHROPIC_DEFAULT_OPUS_MODEL: model,
          ANTHROPIC_DEFAULT_SONNET_MODEL: model,
          ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
          ENABLE_TOOL_SEARCH: 'false',
          TRACEPARENT: `00-${trace}-b7ad6b7169203331-01`,
          ...QUIET,
          ...TRACED,
        },
      },
    );
    const log = await readFile(join(home, 'debug.log'), 'utf8').catch(() => '');
    assert.equal(ended.code, 0, `claude ended with ${ended.code}: ${ended.stderr}${ended.stdout}\n${log.slice(-2000)}`);
    return JSON.parse(ended.stdout);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

export async function claudeCodeChecks(side, check) {
  for (const [whose, model] of [
    ['an Anthropic provider', `anthropic-fake/${CLAUDE}`],
    ['a chat provider', 'chat-fake/gpt-5-mini'],
    ['a responses provider', 'responses-fake/gpt-5-mini'],
  ])
    await check(`claude code: calls a tool on models of ${whose}, and both calls are one trace in the journal`, async () => {
      const trace = randomBytes(16).toString('hex');
      const { text, seen } = side.ask('adds', 'Add the numbers with the tool.');
      const { result } = await runClaude(side, { model, trace, text });
      assert.equal(result, 'The sum is 42');
      assert.equal(seen().filter((one) => one.request?.tools.some((tool) => tool.name === 'mcp__gw__add')).length, 2);
      const records = await side.recordsOf(trace, 3);
      const text2 = JSON.stringify(records);
      assert.ok(
        records.some((one) => one.model),
        `no model call in ${text2.slice(0, 1500)}`,
      );
      assert.ok(text2.includes('fixture/add'), `no call of the tool in ${text2.slice(0, 1500)}`);
    });
}
