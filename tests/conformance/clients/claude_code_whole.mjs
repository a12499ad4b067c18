// Claude Code over a server that asks back and changes. Headless it has no user to ask: it cancels, and that must be the end.

import assert from 'node:assert/strict';
import { callOnce } from '../fake_anthropic.mjs';
import { runHeadless } from './claude_code.mjs';

const gw = (tool) => `mcp__gw__${tool}`;

async function checkQuestion(negotiation, target) {
  const before = await target.counts();
  const { answer } = await runHeadless(negotiation, target, [gw('test_elicitation')],
    callOnce(gw('test_elicitation'), { message: 'Who are you?' }));
  assert.ok(answer.startsWith('FINAL:') && answer.includes('action=cancel'), answer);
  const after = await target.counts();
  for (const what of ['asked', 'done']) {
    const times = (after[what].test_elicitation ?? 0) - (before[what].test_elicitation ?? 0);
    assert.equal(times, 1, `${what} ${times} times`);
  }
}

async function checkChange(negotiation, target) {
  const plan = (results, offered) => {
    const seen = offered.includes(gw('test_dynamic_tool'));
    if (results.length === 0) return seen ? { say: 'SEEN BEFORE' } : { tool: gw('test_trigger_tool_change'), input: {} };
    if (seen) return { say: 'SEEN' };
    return results.length > 15 ? { say: 'NOT SEEN' } : { tool: gw('test_wait'), input: { seconds: 0.2 } };
  };
  await target.reset();
  const tools = ['test_trigger_tool_change', 'test_wait'].map(gw);
  const { answer } = await runHeadless(negotiation, target, tools, plan);
  assert.equal(answer, 'SEEN');
}

/** What came over the wire, by the access log of the gateway. */
function checkWire(negotiation, target) {
  const wanted = {
    auto: ['server/discover', 'subscriptions/listen', 'tools/list', 'prompts/list', 'resources/list'],
    legacy: ['initialize', 'notifications/initialized', 'tools/list', 'prompts/list', 'resources/list'],
  }[negotiation];
  const lines = target.log().split('\n').slice(target.seenLines ?? 0);
  const era = negotiation === 'auto' ? '2026-07-28' : '2025-11-25';
  for (const method of wanted)
    assert.ok(lines.some((line) => line.includes(` era=${era} method=${method} `)), `no ${method} in the access log`);
}

async function runWhole(negotiation, target, report) {
  const check = async (name, work) => {
    try {
      await work(negotiation, target);
      report(name);
    } catch (problem) {
      report(name, problem);
    }
  };
  target.seenLines = target.log().split('\n').length;
  await check('cancels what it cannot ask, once', checkQuestion);
  await check('sees the list of tools change', checkChange);
  if (target.title) await check('discovers, listens and lists as its era does', checkWire);
}

const one = (negotiation) => ({
  name: `claude code ${negotiation}`,
  whole: true,
  run: (target, report) => runWhole(negotiation, target, report),
});

export const clients = ['legacy', 'auto'].map(one);
