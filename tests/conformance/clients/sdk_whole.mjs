// The SDK v2 in each of its modes, over a server that asks back, speaks while it works, changes, and can be cancelled.

import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { until } from '../processes.mjs';

const WATCHED = 'test://watched-resource';
const textOf = (result) => result.content.map((part) => part.text ?? '').join('');

function makeClient(mode, seen) {
  const client = new Client(
    { name: 'whole', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} },
      versionNegotiation: { mode },
      listChanged: { tools: { debounceMs: 0, onChanged: (problem, tools) => seen.tools.push(problem ?? tools.map((one) => one.name)) } },
    },
  );
  client.setRequestHandler('elicitation/create', ({ params }) => {
    seen.asked.push(params.message);
    return { action: 'accept', content: { username: 'ada', email: 'ada@example.com' } };
  });
  client.setRequestHandler('sampling/createMessage', ({ params }) => {
    seen.asked.push(params.messages[0].content.text);
    return { role: 'assistant', model: 'small', stopReason: 'endTurn', content: { type: 'text', text: 'forty-two' } };
  });
  client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///workspace', name: 'workspace' }] }));
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => seen.updated.push(params.uri));
  return client;
}

/** Subscribes in the way of the connection's era; resolves to what ends it. */
async function subscribe(client, modern) {
  if (!modern) {
    await client.subscribeResource({ uri: WATCHED });
    return () => client.unsubscribeResource({ uri: WATCHED });
  }
  const subscription = await client.listen({ resourceSubscriptions: [WATCHED] });
  assert.deepEqual(subscription.honoredFilter.resourceSubscriptions, [WATCHED]);
  return () => subscription.close();
}

async function converse(client, seen, target, check) {
  const call = (name, args = {}, options) => client.callTool({ name, arguments: args }, options);
  const counts = async (what, name) => (await target.counts())[what][name] ?? 0;
  const modern = client.getNegotiatedProtocolVersion() === '2026-07-28';

  await check('answers a question to the user, asked once', async () => {
    const result = await call('test_elicitation', { message: 'Who are you?' });
    assert.match(textOf(result), /action=accept.*ada@example\.com/);
    assert.deepEqual(seen.asked.splice(0), ['Who are you?']);
  });
  await check('answers a question to a model', async () => {
    assert.match(textOf(await call('test_sampling', { prompt: 'What is it?' })), /forty-two/);
    assert.deepEqual(seen.asked.splice(0), ['What is it?']);
  });
  await check('answers where its roots are', async () => {
    assert.match(textOf(await call('test_input_required_result_list_roots')), /file:\/\/\/workspace/);
  });
  await check('answers two questions one after the other', async () => {
    await call('test_input_required_result_multi_round');
    assert.equal(seen.asked.splice(0).length, 2);
  });
  await check('gets progress in order', async () => {
    const steps = [];
    await call('test_tool_with_progress', {}, { onprogress: ({ progress }) => steps.push(progress) });
    assert.deepEqual(steps, [0, 50, 100]);
  });
  await check('cancels, and the server hears of it within a second', async () => {
    const before = { entered: await counts('entered', 'test_wait'), cancelled: await counts('cancelled', 'test_wait') };
    const stop = new AbortController();
    const called = call('test_wait', { seconds: 20 }, { signal: stop.signal });
    await until(async () => (await counts('entered', 'test_wait')) > before.entered, 'the call has not reached the server');
    stop.abort();
    await assert.rejects(called);
    await until(async () => (await counts('cancelled', 'test_wait')) > before.cancelled, 'the server has heard of no cancel', 1);
  });
  await check('sees the list of tools change', async () => {
    const had = (await client.listTools()).tools.some((tool) => tool.name === 'test_dynamic_tool');
    seen.tools.length = 0;
    await call('test_trigger_tool_change');
    const names = await until(() => seen.tools.at(-1), 'no change was seen');
    assert.equal(names.includes('test_dynamic_tool'), !had, 'the list after the change is the old one');
  });
  await check('sees a resource change that it subscribed to', async () => {
    const end = await subscribe(client, modern);
    await call('test_touch_resource');
    await until(() => seen.updated.includes(WATCHED), 'no update was seen');
    await end();
  });
}

async function runWhole(mode, modern, target, report) {
  const check = async (name, work) => {
    try {
      await work();
      report(name);
    } catch (problem) {
      report(name, problem);
    }
  };
  const seen = { asked: [], tools: [], updated: [] };
  const client = makeClient(mode, seen);
  try {
    await client.connect(new StreamableHTTPClientTransport(new URL(target.url)));
    assert.equal(client.getNegotiatedProtocolVersion(), modern ? '2026-07-28' : '2025-11-25');
    await converse(client, seen, target, check);
    await client.close();
  } catch (problem) {
    report('connects and closes', problem);
  }
}

const one = (name, mode, modern) => ({
  name: `sdk v2 ${name}`,
  whole: true,
  run: (target, report) => runWhole(mode, modern, target, report),
});

export const clients = [one('legacy', 'legacy', false), one('auto', 'auto', true), one('pinned', { pin: '2026-07-28' }, true)];
