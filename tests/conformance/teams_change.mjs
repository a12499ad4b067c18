// A server changes what it offers while clients are connected: what changed is withheld, shown to a person, approved, and back.

import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { until } from './processes.mjs';

const ABOUT = 'running a bookshop';
const TOOL = 'search_handbook';

async function connected(url, headers, options) {
  const client = new Client({ name: 'teams', version: '1.0.0' }, options);
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

/** A client of `desk` that hears of changes; resolves to {client, heard: lists of tools, the latest last}. */
async function listener(mode, base, key) {
  const heard = [];
  const onChanged = (problem, tools) => heard.push(problem ?? tools.map((tool) => tool.name));
  const options = { versionNegotiation: { mode }, listChanged: { tools: { debounceMs: 0, onChanged } } };
  return { client: await connected(`${base}/mcp/desk`, { Authorization: `Bearer ${key}` }, options), heard };
}

async function refusal(client, name) {
  try {
    await client.callTool({ name, arguments: { question: 'refund' } });
  } catch ({ code, message, data }) {
    return [code, message.replace(name, 'TOOL'), data?.reason];
  }
  return assert.fail(`${name} was called`);
}

const listed = async (client) => (await client.listTools()).tools;

/** What somebody sees who comes only now to the virtual server that shows the definitions of docs-server as they are. */
async function handbook(base) {
  const client = await connected(`${base}/mcp/handbook`, {}, { versionNegotiation: { mode: 'auto' } });
  const tools = await listed(client);
  await client.close();
  return tools;
}

const has = async (client, name) => (await listed(client)).some((tool) => tool.name === name);

export async function checkChange({ check, place, base, key }) {
  const where = 'prod a changed definition';
  const json = async (...args) => JSON.parse(await place.said(...args, '-o', 'json'));
  const lock = (...args) => place.sallyport('lock', ...args);
  const row = async () => (await json('tool', 'list', '--server', 'docs')).find((one) => one.name === 'search');
  const open = [await listener('legacy', base, key), await listener('auto', base, key)];
  const [{ client: old }, { client: modern }] = open;
  const hear = async (there) => {
    for (const { heard, client } of open) {
      const version = client.getNegotiatedProtocolVersion();
      await until(() => heard.at(-1)?.includes(TOOL) === there, `a client of ${version} has heard nothing`);
    }
  };
  let before;
  let after;

  await check(where, 'before it, the desk exports what mcp.lock says', async () => {
    const ended = await lock('--check');
    assert.equal(ended.code, 0, `write it anew with \`sallyport lock --virtual-server desk\`: ${ended.stderr}${ended.stdout}`);
    before = await row();
    assert.equal(before.state, 'approved');
    assert.deepEqual([old, modern].map((one) => one.getNegotiatedProtocolVersion()), ['2025-11-25', '2026-07-28']);
    for (const one of [old, modern]) assert.ok(await has(one, TOOL));
  });
  await check(where, 'is quarantined, and open clients of both eras hear of it', async () => {
    await place.docs.stop();
    await place.docs.start('--about', ABOUT);
    await place.said('server', 'test', 'docs');
    await hear(false);
    for (const one of [old, modern]) assert.equal(await has(one, TOOL), false, 'it is still listed');
    assert.deepEqual((await handbook(base)).map((tool) => tool.name).sort(), ['list_documents', 'read_document']);
  });
  await check(where, 'is answered as a tool that does not exist, and nothing beside it is', async () => {
    for (const one of [old, modern]) assert.deepEqual(await refusal(one, TOOL), await refusal(one, 'no_such_tool'));
    const page = await modern.callTool({ name: 'read_page', arguments: { name: 'returns' } });
    assert.match(page.content[0].text, /thirty days/);
  });
  await check(where, 'why: no rule has changed, it is withheld', async () => {
    const said = await json('why', 'agent:desk', 'docs/search', '--virtual-server', 'desk');
    assert.deepEqual([said.allowed, said.rule], [false, 'support#1']);
    assert.match(said.notes.join(' '), /withheld/);
  });
  await check(where, 'tool list and tool diff show the field that changed', async () => {
    after = await row();
    assert.deepEqual([after.state, after.approved], ['waiting', before.hash]);
    assert.notEqual(after.hash, before.hash);
    const { fields } = await json('tool', 'diff', 'docs/search');
    assert.deepEqual(fields.map((field) => field.path), ['/description']);
    assert.ok(fields[0].after.includes(ABOUT) && !fields[0].before.includes(ABOUT), JSON.stringify(fields));
    const { stdout, stderr } = await place.sallyport('tool', 'diff', 'docs/search');
    assert.ok(stdout.includes(`about ${ABOUT}`), stdout);
    assert.ok(stderr.includes(`sallyport tool approve docs/search@${after.hash.slice(0, 32)}`), stderr);
  });
  await check(where, 'fails lock --check, which names the tool', async () => {
    const ended = await lock('--check');
    assert.equal(ended.code, 1);
    assert.match(ended.stdout, new RegExp(`^- ${TOOL} .*docs/search$`, 'm'));
    assert.equal(ended.stdout.trim().split('\n').length, 1, ended.stdout);
  });
  await check(where, 'is not approved under the hash of another version', async () => {
    const ended = await place.sallyport('tool', 'approve', `docs/search@${before.hash}`);
    assert.equal(ended.code, 1, ended.stdout);
    assert.equal((await row()).state, 'waiting');
  });
  await check(where, 'is back after the approval, and both clients hear of it', async () => {
    await place.said('tool', 'approve', `docs/search@${after.hash.slice(0, 32)}`);
    await hear(true);
    for (const one of [old, modern]) {
      assert.ok(await has(one, TOOL), 'it is not listed');
      const { structuredContent } = await one.callTool({ name: TOOL, arguments: { question: 'refund of a parcel' } });
      assert.equal(structuredContent.hits.length, 3);
    }
    assert.equal((await row()).state, 'approved');
  });
  await check(where, 'reaches clients in its own words only where nobody put others in their place', async () => {
    const search = (tools, name) => tools.find((tool) => tool.name === name).description;
    assert.ok(search(await handbook(base), 'search').endsWith(`about ${ABOUT}.`));
    assert.ok(!search(await listed(modern), TOOL).includes(ABOUT));
  });
  await check(where, 'fails lock --check until the lock is written anew', async () => {
    const ended = await lock('--check');
    assert.equal(ended.code, 1);
    assert.match(ended.stdout, new RegExp(`^- ${TOOL} .*${before.hash}.*\\n\\+ ${TOOL} .*${after.hash}`, 'm'));
    await place.said('lock', '--virtual-server', 'desk');
    assert.equal((await lock('--check')).code, 0);
  });
  for (const { client } of open) await client.close();
}
