// Logs people in at the gateway itself: the official suite's checks of an authorization server, a real browser, and real clients.
//
//   login.mjs [--binary PATH] [--only TEXT] [--pictures FOLDER]

import assert from 'node:assert/strict';
import { glob, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { openBrowser } from './browser.mjs';
import { checklist } from './checklist.mjs';
import { claudeStatus } from './clients/claude_code.mjs';
import { startFixture } from './gateway.mjs';
import { REDIRECT, logIn as logInAt, sum, tried } from './login_client.mjs';
import { walkThrough } from './person.mjs';
import { killAll, printed, start } from './processes.mjs';
import { READY, httpServer, startSallyport } from './sallyport.mjs';

const { values: options } = parseArgs({
  options: {
    binary: { type: 'string', default: 'build/release/sallyport' },
    only: { type: 'string', default: '' },
    pictures: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const PASSWORD = 'correct horse battery';
const ANSWERS = { user: 'alice', password: PASSWORD, decision: 'allow' };
const SUITE_PASSED = 3;
const node = process.execPath;
const packages = join(import.meta.dirname, 'node_modules');
const { check, summary } = checklist('login', options);

/** Waits at the place that a client is sent back to; resolves to {url, came: the first URL that was asked for, close()}. */
async function waitAt(path, port = 0) {
  let arrived;
  const came = new Promise((done) => (arrived = done));
  const server = createServer((request, response) => {
    response.end('<!doctype html><title>back</title>You can close this window.');
    if (request.url.startsWith(path)) arrived(new URL(request.url, `http://${request.headers.host}`));
  });
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}${path}`, came, close: () => server.close() };
}

async function registered(gateway, redirect, name) {
  const response = await fetch(`${gateway.base}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: name, redirect_uris: [redirect], token_endpoint_auth_method: 'none' }),
  });
  assert.equal(response.status, 201);
  return (await response.json()).client_id;
}

/** The suite's `authorization` command; resolves to its checks. */
async function runSuite(gateway, resource) {
  const folder = await mkdtemp(join(tmpdir(), 'authorization-'));
  const port = 3917;
  const client = await registered(gateway, `http://127.0.0.1:${port}/callback`, 'The official suite');
  const suite = start(
    node,
    [join(packages, 'conformance-2026/dist/index.js'), 'authorization', '--url', gateway.base, '--client-id', client, '--resource', resource,
      '--port', String(port), '-o', folder, '--verbose'],
    { cwd: folder },
  );
  // It prints where it would send a browser, and waits for what comes back.
  const answered = new Set();
  const timer = setInterval(() => {
    for (const [url] of suite.log.matchAll(/http:\/\/\S+\/oauth\/authorize\?[^\s"'\\]+/g)) {
      if (answered.has(url)) continue;
      answered.add(url);
      walkThrough(url, `http://127.0.0.1:${port}/`, ANSWERS).then((back) => fetch(back), () => {});
    }
  }, 50);
  const code = await Promise.race([suite.done, new Promise((done) => setTimeout(() => done('too late'), 60_000))]);
  clearInterval(timer);
  const checks = [];
  for await (const path of glob('**/checks.json', { cwd: folder })) checks.push(...JSON.parse(await readFile(join(folder, path), 'utf8')));
  await rm(folder, { recursive: true, force: true });
  return { code, log: suite.log, checks };
}

async function main() {
  const idp = start(node, [join(import.meta.dirname, 'identity_provider.mjs')]);
  const [, issuer] = await printed(idp, READY);
  const fixture = await startFixture(node);
  const gateway = await startSallyport({
    binary: resolve(options.binary),
    settings: ['--access-log', 'true', '--login-private-clients', 'true'],
    documents: [
      httpServer('fixture', fixture),
      { kind: 'VirtualServer', name: 'sums', title: 'Sums', tools: [{ from: 'fixture', include: ['add', 'echo'] }] },
      { kind: 'Policy', name: 'alice', subjects: ['user:alice'], rules: [{ effect: 'allow', tools: ['fixture/*'] }] },
      { kind: 'Credential', name: 'gateway-at-corp', value: 'the secret of the gateway' },
      {
        kind: 'Issuer', name: 'corp', issuer, allow_private: true, user: 'claims.email', teams: 'claims.groups',
        sign_in: { client_id: 'gateway', credential: 'gateway-at-corp', scopes: ['openid', 'email', 'groups'], title: 'Corp' },
      },
      { kind: 'Policy', name: 'readers', subjects: ['team:readers'], rules: [{ effect: 'allow', tools: ['fixture/add'] }] },
      { kind: 'Policy', name: 'bob', subjects: ['user:bob'], rules: [{ effect: 'deny', virtual_servers: ['sums'] }] },
    ],
  });
  const url = `${gateway.base}/mcp/sums`;
  const client = {
    client_id: 'gateway', client_secret: 'the secret of the gateway', redirect_uris: [`${gateway.base}/oauth/callback`],
    token_endpoint_auth_method: 'client_secret_basic', grant_types: ['authorization_code'],
  };
  await fetch(`${issuer}/control`, { method: 'POST', body: JSON.stringify({ clients: [client] }) });
  await gateway.command('server', 'test', 'fixture');
  await gateway.withInput(`${PASSWORD}\n`, 'user', 'add', 'alice');
  await gateway.withInput(`${PASSWORD}\n`, 'user', 'add', 'bob');
  const walk = (asked) => walkThrough(asked, REDIRECT, ANSWERS);
  const secrets = [];

  await check("the official suite's `authorization` command passes", async () => {
    const { code, log, checks } = await runSuite(gateway, url);
    if (options.verbose) console.log(log, checks);
    assert.equal(code, 0, log.slice(-4000));
    assert.deepEqual(checks.filter((one) => ['FAILURE', 'WARNING'].includes(one.status)), []);
    assert.equal(checks.filter((one) => one.status === 'SUCCESS').length, SUITE_PASSED);
  });

  await check('a person signs in and consents in a browser on a phone, without scripts', async () => {
    const back = await waitAt('/callback');
    const client = await registered(gateway, back.url, 'Claude Code');
    const { page, problems, close } = await openBrowser();
    const shot = async (name) => options.pictures && (await page.screenshot({ path: join(options.pictures, `${name}.png`), fullPage: true }));
    try {
      const wish = new URLSearchParams({
        response_type: 'code', client_id: client, redirect_uri: back.url, code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256', state: 'xyz', resource: url,
      });
      await page.goto(`${gateway.base}/oauth/authorize?${wish}`);
      await shot('sign-in');
      await page.getByLabel('Name').fill('alice');
      await page.getByLabel('Password').fill('not the password');
      await page.getByRole('button', { name: 'Sign in' }).click();
      assert.match(await page.getByRole('alert').textContent(), /do not fit together/);
      await shot('sign-in-again');
      assert.equal(await page.getByLabel('Name').inputValue(), 'alice');
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Let Claude Code use tools in your name?' }).waitFor();
      const text = await page.locator('main').textContent();
      for (const said of ['alice', 'Sums', url, 'fixture__add', 'this computer']) assert.ok(text.includes(said), `${said} is missing: ${text}`);
      const wide = await page.locator('html').evaluate((e) => e.scrollWidth - e.clientWidth).catch(() => 0);
      assert.ok(wide <= 0, 'the page is wider than the screen');
      await shot('consent');
      await page.getByRole('button', { name: 'Allow', exact: true }).click();
      const came = await back.came;
      assert.equal(came.searchParams.get('state'), 'xyz');
      assert.equal(came.searchParams.get('iss'), gateway.base);
      assert.ok(came.searchParams.get('code'));
      secrets.push(came.searchParams.get('code'));
      // Signed in as before, and asked all the same.
      await page.goto(`${gateway.base}/oauth/authorize?${wish}`);
      await page.getByRole('button', { name: 'Use another account' }).click();
      await page.getByLabel('Name').fill('bob');
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').waitFor();
      await shot('nothing-for-you');
      assert.deepEqual(problems.filter((one) => !/40[13]/.test(one)), []);
    } finally {
      await close();
      back.close();
    }
    if (!options.pictures) return;
    const dark = await openBrowser({ dark: true });
    await dark.page.goto(`${gateway.base}/oauth/authorize?client_id=none`);
    await dark.page.screenshot({ path: join(options.pictures, 'problem-dark.png') });
    await dark.close();
  });

  await check('a person signs in by an OpenID provider in a browser, and the client gets what her team may use', async () => {
    const { page, problems, close } = await openBrowser();
    const back = await waitAt('/callback');
    try {
      const done = await logInAt('carol', url, 'mcp', async (asked) => {
        await page.goto(asked.href);
        if (options.pictures) await page.screenshot({ path: join(options.pictures, 'sign-in-provider.png'), fullPage: true });
        await page.getByRole('link', { name: 'Sign in with Corp' }).click();
        await page.locator('input[name=login]').fill('alice');
        await page.locator('input[name=password]').fill('any');
        await page.locator('button[type=submit]').click();
        await page.locator('button[type=submit]').click();
        await page.getByRole('heading', { name: /use tools in your name/ }).waitFor();
        assert.match(await page.locator('main').textContent(), /corp\/alice@example\.com/);
        await page.getByRole('button', { name: 'Allow', exact: true }).click();
        return back.came;
      }, back.url);
      assert.equal(await sum(done.client), '42');
      assert.ok((await gateway.command('audit', 'tail', '-o', 'json')).includes('user:corp/alice@example.com'));
      assert.deepEqual(problems.filter((one) => /Content.Security.Policy|Refused/i.test(one)), []); // its own pages want fonts from elsewhere
      secrets.push(done.login.tokens().access_token, done.login.tokens().refresh_token);
      await done.client.close();
    } finally {
      await close();
      back.close();
    }
  });

  let alice;
  await check('SDK v2 registers, logs in through the gateway and calls a tool of a virtual server', async () => {
    alice = await logInAt('alice', url, 'mcp', walk);
    assert.equal(await sum(alice.client), '42');
    assert.ok((await gateway.command('audit', 'tail', '-o', 'json')).includes('user:alice'));
    assert.equal(await tried(`${gateway.base}/mcp`, alice.login.tokens().access_token), 401);
    secrets.push(alice.login.tokens().access_token, alice.login.tokens().refresh_token, alice.login.saved.verifier);
  });
  await check('a grant that an administrator ends is refused with the next request, and the client logs in again', async () => {
    const grants = JSON.parse(await gateway.command('user', 'grants', 'alice', '-o', 'json'));
    const mine = grants.find((one) => one.client === 'A client of the tests' && one.state === 'active');
    await gateway.command('user', 'revoke', mine.id);
    assert.equal(await tried(url, alice.login.tokens().access_token), 401);
    await assert.rejects(sum(alice.client));
    alice = await logInAt('alice', url, 'mcp', walk);
    assert.equal(await sum(alice.client), '42');
  });
  await check('mcp-remote logs in through the gateway and carries a call', async () => {
    const home = await mkdtemp(join(tmpdir(), 'mcp-remote-'));
    const transport = new StdioClientTransport({
      command: node,
      args: [join(packages, 'mcp-remote/dist/proxy.js'), url, '--allow-http'],
      env: { PATH: process.env.PATH, HOME: home, MCP_REMOTE_CONFIG_DIR: home, BROWSER: 'true' },
      stderr: 'pipe',
    });
    let said = '';
    let walked;
    transport.stderr.on('data', (bytes) => {
      said += bytes;
      const asked = said.match(/http:\/\/\S+\/oauth\/authorize\?\S+/);
      if (!asked || walked) return;
      const to = new URL(asked[0]).searchParams.get('redirect_uri');
      walked = walkThrough(asked[0], to, ANSWERS).then((back) => fetch(back));
      walked.catch((problem) => (said += String(problem)));
    });
    const client = new Client({ name: 'behind mcp-remote', version: '1.0.0' });
    try {
      await client.connect(transport, { timeout: 30_000 }).catch((problem) => assert.fail(`${problem}\n${said}`));
      assert.ok(walked, 'it never asked anybody to log in');
      assert.equal(await sum(client), '42');
    } finally {
      await client.close();
      await rm(home, { recursive: true, force: true });
    }
  });
  await check('Claude Code without a header says that it needs to log in, and finds everything it looks for', async () => {
    const before = gateway.log().length;
    const { status, log } = await claudeStatus(url);
    assert.equal(status, 'needs-auth', log);
    const lines = gateway.log().slice(before).split('\n').filter((line) => line.includes('status='));
    const rest = lines.filter((line) => !line.includes('status=401'));
    assert.ok(rest.length > 0 && rest.every((line) => line.includes('status=200')), `it looked in vain: ${rest.join('\n')}`);
  });
  await check('the doctor finds that every known client would come to the sign-in page', async () => {
    const walks = JSON.parse(await gateway.command('doctor', `${gateway.base}/mcp`, '-o', 'json'));
    assert.ok(walks.length >= 6);
    for (const walk of walks) assert.ok(walk.arrives, `${walk.client}: ${walk.problem}`);
  });
  await check('no password, no token and no code stands in the log or in the journal', async () => {
    const log = gateway.log();
    const records = await gateway.command('audit', 'tail', '-n', '1000', '-o', 'json');
    assert.ok(secrets.length >= 4);
    for (const text of [PASSWORD, 'the secret of the gateway', ...secrets])
      for (const place of [log, records]) assert.ok(!place.includes(text.slice(-40)), 'a secret is there');
    await gateway.command('audit', 'verify');
  });
  await alice?.client.close();
  assert.equal(await gateway.stop(), 0);
  return summary();
}

try {
  process.exitCode = await main();
} catch (problem) {
  console.error(`login: ${options.verbose ? problem.stack : problem.message}`);
  process.exitCode = 1;
} finally {
  killAll();
}
