// Shows that examples/teams does what it says: starts it as a reader would and holds every agent, with the official SDK, against
// teams_table.mjs; then changes a server under it. Prints a line for each behaviour.
//
//   teams.mjs [--binary PATH] [--examples FOLDER] [--servers FOLDER] [--only TEXT]

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { killAll } from './processes.mjs';
import { checkChange } from './teams_change.mjs';
import { makePlace } from './teams_side.mjs';
import * as table from './teams_table.mjs';

const { values: options } = parseArgs({
  options: {
    binary: { type: 'string', default: 'build/release/sallyport' },
    examples: { type: 'string', default: 'examples' },
    servers: { type: 'string' },
    only: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
  },
});
const SERVERS = ['shop', 'shop-staging', 'docs', 'files', 'memory', 'everything'];
const AGENTS = table.PRINCIPALS.filter((who) => who !== 'anonymous');
const HTTP = { [table.ABSENT]: 404, [table.NO_KEY]: 401 };

let passed = 0;
let failures = 0;
async function check(where, what, work) {
  if (!`${where} ${what}`.includes(options.only)) return;
  try {
    await work();
    passed += 1;
    console.log(`ok      ${where.padEnd(28)}  ${what}`);
  } catch (problem) {
    failures += 1;
    const text = String(options.verbose ? problem.stack : problem.message).replaceAll('\n', '\n        ');
    console.log(`FAILED  ${where.padEnd(28)}  ${what}\n        ${text}`);
  }
}

const principal = (who) => (who === 'anonymous' ? who : `agent:${who}`);
const virtualServer = (at) => (at === '/mcp' ? [] : ['--virtual-server', at.replace('/mcp/', '')]);
const sorted = (words) => [...words].sort();
const wanted = (words) => sorted(words ? words.split(' ') : []);
const textOf = (result) => result.content.map((part) => part.text ?? '').join('');

/** Clients of one gateway, one for each agent and endpoint, connected when they are first asked for. */
function makeClients(base, keys) {
  const open = new Map();
  const connect = async (who, at) => {
    const client = new Client({ name: 'teams', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
    const headers = keys[who] ? { Authorization: `Bearer ${keys[who]}` } : {};
    await client.connect(new StreamableHTTPClientTransport(new URL(base + at), { requestInit: { headers } }));
    return client;
  };
  return {
    of(who, at) {
      const name = `${who} ${at}`;
      if (!open.has(name)) open.set(name, connect(who, at));
      return open.get(name);
    },
    async close() {
      for (const one of await Promise.allSettled(open.values())) await one.value?.close();
    },
  };
}

async function all(list, key) {
  const out = [];
  let cursor;
  do {
    const page = await list(cursor === undefined ? undefined : { cursor });
    out.push(...page[key]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return out;
}

const names = async (list, key, name) => sorted((await all(list, key)).map((one) => one[name]));

/** Everything that a client is shown. */
async function shown(client) {
  return {
    tools: await names((page) => client.listTools(page), 'tools', 'name'),
    prompts: await names((page) => client.listPrompts(page), 'prompts', 'name'),
    resources: await names((page) => client.listResources(page), 'resources', 'uri'),
    templates: await names((page) => client.listResourceTemplates(page), 'resourceTemplates', 'uriTemplate'),
  };
}

/** What an attempt is refused with; fails where it is not refused. */
async function refusal(attempt) {
  let answer;
  try {
    answer = await attempt();
  } catch (problem) {
    return problem;
  }
  return assert.fail(`it was not refused: ${JSON.stringify(answer).slice(0, 300)}`);
}

async function checkLists(environment, clients) {
  const expected = table.listsIn(environment);
  for (const who of table.PRINCIPALS)
    for (const at of table.ENDPOINTS) {
      const lists = expected[who][at] ?? {};
      if (typeof lists === 'string') {
        await check(`${environment} ${who} ${at}`, `does not get in: ${lists}`, async () => {
          assert.equal((await refusal(() => clients.of(who, at))).data?.status, HTTP[lists]);
        });
        continue;
      }
      const count = Object.values(lists).reduce((sum, words) => sum + wanted(words).length, 0);
      const title = count === 0 ? 'lists nothing' : `lists these ${count}, and nothing else`;
      await check(`${environment} ${who} ${at}`, title, async () => {
        const { tools, prompts, resources, templates } = lists;
        assert.deepEqual(await shown(await clients.of(who, at)), {
          tools: wanted(tools),
          prompts: wanted(prompts),
          resources: wanted(resources),
          templates: wanted(templates),
        });
      });
    }
}

/** A reply must hold what the table says. */
function holds(result, gives) {
  const text = result.contents?.[0].text ?? result.messages?.[0].content.text ?? textOf(result);
  assert.ok(!result.isError, `the tool failed: ${text}`);
  if (typeof gives === 'string') assert.ok(text.includes(gives), `no "${gives}" in: ${text}`);
  else if (gives.rows) assert.deepEqual(result.structuredContent.rows, gives.rows);
  else assert.equal(result.structuredContent.hits.length, gives.hits);
}

/** The answer that this refusal must have; `likeNothing`: what a name that never existed is answered. */
function refusedAs(how, problem, likeNothing) {
  if (how === table.DENIED) {
    assert.equal(problem.code, 1001, problem.message);
    assert.match(problem.message, /refused by policy/i);
  } else if (how === table.NOT_YOURS) {
    assert.equal(problem.code, -32602, problem.message);
    assert.match(problem.message, /is not yours to give here/);
  } else {
    assert.deepEqual([problem.code, problem.message, problem.data?.reason], likeNothing);
  }
}

const nowhere = async (attempt, real, invented) => {
  const { code, message, data } = await refusal(() => attempt(invented));
  return [code, message.replace(invented, real), data?.reason];
};

async function attempted({ who, at, tool, args, uri, prompt }, clients) {
  const client = await clients.of(who, at);
  if (tool) return { name: tool, attempt: (name) => client.callTool({ name, arguments: args }), invented: 'no_such_tool' };
  if (prompt) return { name: prompt, attempt: (name) => client.getPrompt({ name, arguments: args }), invented: 'no_such_prompt' };
  return { name: uri, attempt: (name) => client.readResource({ uri: name }), invented: 'nothing://here' };
}

async function why({ who, at, tool, args, uri, prompt }, place) {
  const more = [...virtualServer(at)];
  if (args && tool) {
    await writeFile(place.path('args.json'), JSON.stringify(args));
    more.push('--args', 'args.json');
  }
  if (uri) more.push('--resource');
  if (prompt) more.push('--prompt');
  // What is not at an endpoint is asked for by what it is called everywhere.
  const target = (tool ?? prompt ?? uri).replace(/^([a-z-]+)__/, at === '/mcp' ? '$1/' : '$&');
  return JSON.parse(await place.said('why', principal(who), target, ...more, '-o', 'json'));
}

async function checkCalls(environment, clients, place) {
  const refusals = [];
  for (const row of [...table.CALLS, ...table.READS]) {
    if (row.in && row.in !== environment) continue;
    const where = `${environment} ${row.who} ${row.at}`;
    const title = row.what ?? `${row.gives ? 'reads' : 'does not read'} ${row.uri ?? row.prompt}`;
    await check(where, title, async () => {
      const { name, attempt, invented } = await attempted(row, clients);
      if (row.refused) {
        const likeNothing = row.refused === table.UNKNOWN && (await nowhere(attempt, name, invented));
        const problem = await refusal(() => attempt(name));
        refusedAs(row.refused, problem, likeNothing);
        // An unknown resource is answered with its URI alone.
        if (!row.uri) refusals.push({ ...row, call: problem.data.call });
      } else {
        holds(await attempt(name), row.gives);
      }
      if (row.file) assert.equal(await readFile(place.path('run/shared', row.file[0]), 'utf8'), row.file[1]);
    });
    await check(where, `why: ${row.refused ? `${row.rule ?? 'a preset'} (${row.refused})` : 'allowed'}`, async () => {
      const said = await why(row, place);
      assert.equal(said.allowed, !row.refused, JSON.stringify(said));
      if (row.rule) assert.equal(said.rule, row.rule, JSON.stringify(said));
      if (row.refused === table.NOT_YOURS) assert.match(said.notes.join(' '), /is not yours to give here/);
    });
  }
  await check(environment, `the journal names the same rules for these ${refusals.length} refusals`, async () => {
    const lines = (await place.said('audit', 'tail', '-n', '0', '-o', 'json')).trim().split('\n');
    const records = new Map(lines.map(JSON.parse).filter((one) => one.type === 'refusal').map((one) => [one.call, one]));
    for (const { call, who, refused, rule, ...row } of refusals) {
      const record = records.get(call);
      assert.equal(record?.principal, principal(who), `no refusal ${call} of ${JSON.stringify(row)}`);
      // What an endpoint does not have was looked up in vain, and no rule was asked.
      if (rule && (record.rule || refused === table.DENIED)) assert.equal(record.rule, rule, JSON.stringify(record));
    }
  });
}

/** The same documents must decide every recorded call as it was decided. */
async function checkReplay(place) {
  await check('prod', 'policy replay of the same documents decides no recorded call otherwise', async () => {
    const said = JSON.parse(await place.said('policy', 'replay', '--draft', 'registry', '-o', 'json'));
    assert.ok(said.calls >= table.CALLS.length / 2, `only ${said.calls} calls`);
    assert.deepEqual([said.denied, said.allowed], [0, 0], JSON.stringify(said.changes));
  });
}

/** Why somebody does not even find a virtual server. */
async function checkDoors(environment, place) {
  for (const { who, at, tool, rule, in: only } of table.DOORS) {
    if (only && only !== environment) continue;
    await check(`${environment} ${who} ${at}`, `why it is not there: ${rule}`, async () => {
      const said = await why({ who, at, tool }, place);
      assert.deepEqual([said.allowed, said.rule], [false, rule], JSON.stringify(said));
    });
  }
}

/** `why` must say of every tool of every server what the lists at /mcp say. It is asked over HTTP: hundreds of times. */
async function checkWhole(environment, place, admin, adminKey) {
  const tools = JSON.parse(await place.said('tool', 'list', '-o', 'json')).filter((one) => one.sort === 'tool');
  const expected = table.listsIn(environment);
  const ask = async (who, tool) => {
    const response = await fetch(`${admin}/api/op/why`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ principal: principal(who), target: `${tool.server}/${tool.name}` }),
    });
    assert.equal(response.status, 200, await response.clone().text());
    return response.json();
  };
  for (const who of AGENTS)
    await check(`${environment} ${who} /mcp`, `why agrees on all ${tools.length} tools of all servers`, async () => {
      const allowed = [];
      for (const tool of tools) if ((await ask(who, tool)).allowed) allowed.push(`${tool.server}__${tool.name}`);
      assert.deepEqual(sorted(allowed), wanted(expected[who]['/mcp']?.tools));
    });
}

/** Applies the documents and makes a key for every agent, and one for the admin API; resolves to the keys. */
async function fillRegistry(place) {
  await check('documents', 'the tests beside the policies pass', async () => {
    const policies = await readdir(place.path('registry/policies'));
    const tests = policies.filter((one) => one.endsWith('.test.yaml')).map((one) => join('registry/policies', one));
    assert.match(await place.said('policy', 'test', ...tests), /^\d+ passed, 0 failed$/m);
  });
  await check('documents', 'apply, and once more without a change', async () => {
    assert.match(await place.said('apply', '-f', 'registry', '--prune'), /^\d+ created$/m);
    assert.match(await place.said('apply', '-f', 'registry', '--prune'), /^\d+ unchanged$/m);
  });
  const keys = {};
  const make = async (...args) => JSON.parse(await place.said('key', 'create', ...args, '-o', 'json')).key;
  for (const who of AGENTS) keys[who] = await make('--agent', who);
  keys.admin = await make('--agent', 'admin', '--admin');
  return keys;
}

async function runEnvironment(environment, place, keys) {
  const gateway = await place.startGateway('--environment', environment);
  for (const server of SERVERS) await place.said('server', 'test', server);
  const clients = makeClients(gateway.base, keys);
  await checkLists(environment, clients);
  await checkCalls(environment, clients, place);
  await checkDoors(environment, place);
  if (environment === 'prod') await checkReplay(place);
  await checkWhole(environment, place, gateway.admin, keys.admin);
  await clients.close();
  if (environment === 'prod') await checkChange({ check, place, base: gateway.base, key: keys.desk });
  await check(environment, 'the record verifies, and no key is in the log', async () => {
    await place.said('audit', 'verify');
    for (const key of Object.values(keys)) assert.ok(!gateway.log().includes(key), 'a key stands in the log');
  });
  await check(environment, 'the gateway ends with 0', async () => assert.equal(await gateway.stop(), 0));
  if (failures > 0 && options.verbose) console.log(gateway.log());
}

async function main() {
  const binary = resolve(options.binary);
  const examples = resolve(options.examples);
  const servers = resolve(options.servers ?? join(dirname(binary), 'examples'));
  for (const needed of [binary, join(servers, 'docs-server'), join(servers, 'sqlite-server'), examples])
    if (!existsSync(needed)) throw new Error(`no ${needed}; run ./dev build`);
  const place = await makePlace({ binary, servers, examples });
  try {
    const keys = await fillRegistry(place);
    for (const environment of table.ENVIRONMENTS) await runEnvironment(environment, place, keys);
    assert.equal(await place.docs.stop(), 0, 'docs-server did not end cleanly');
  } finally {
    killAll();
    await place.remove();
  }
  if (passed + failures === 0) throw new Error(`no check has "${options.only}" in its name`);
  console.log(failures === 0 ? `teams: all ${passed} as they must be` : `teams: ${failures} of ${passed + failures} failed`);
  return failures === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (problem) {
  console.error(`teams: ${options.verbose ? problem.stack : problem.message}`);
  process.exitCode = 1;
} finally {
  killAll();
}
