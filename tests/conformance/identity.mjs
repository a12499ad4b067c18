// Logs in, with the official SDK and a real identity provider (npm oidc-provider), and holds the gateway to what follows: refreshed
// tokens, rotated keys, a provider that is down, and clients that only look where they would have to log in.
//
//   identity.mjs [--binary PATH] [--only TEXT]

import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checklist } from './checklist.mjs';
import { claudeStatus } from './clients/claude_code.mjs';
import { startFixture } from './gateway.mjs';
import { REDIRECT, logIn as logInAt, sum, tried } from './login_client.mjs';
import { walkThrough } from './person.mjs';
import { killAll, printed, start, until } from './processes.mjs';
import { READY, httpServer, startSallyport } from './sallyport.mjs';

const { values: options } = parseArgs({
  options: {
    binary: { type: 'string', default: 'build/release/sallyport' },
    only: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
  },
});
const COOL_DOWN = 1100;

const { check, summary } = checklist('identity', options);
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const logIn = (name, url) =>
  logInAt(name, url, 'openid offline_access mcp', (asked) => walkThrough(asked, REDIRECT, { login: name, password: 'any' }));

async function main() {
  const node = process.execPath;
  const idp = start(node, [join(import.meta.dirname, 'identity_provider.mjs')]);
  const [, issuer] = await printed(idp, READY);
  const control = (wanted) => fetch(`${issuer}/control`, { method: 'POST', body: JSON.stringify(wanted) });
  const fixture = await startFixture(node);
  const gateway = await startSallyport({
    binary: resolve(options.binary),
    settings: ['--access-log', 'true'],
    documents: [
      httpServer('fixture', fixture),
      { kind: 'VirtualServer', name: 'sums', tools: [{ from: 'fixture', include: ['add'] }] },
      {
        kind: 'Issuer',
        name: 'idp',
        issuer,
        default: true,
        allow_private: true,
        user: 'claims.email',
        teams: 'claims.groups',
        scopes: ['mcp'],
        leeway: '0s',
        keys: { refresh: '1s', cool_down: '1s', expiry: '4s' },
      },
      { kind: 'Policy', name: 'readers', subjects: ['team:readers'], rules: [{ effect: 'allow', tools: ['fixture/*'] }] },
    ],
  });
  const url = `${gateway.base}/mcp/sums`;
  await gateway.command('server', 'test', 'fixture');

  let alice;
  await check('SDK v2 logs in at the provider that the 401 leads to, and calls a tool of a virtual server', async () => {
    alice = await logIn('alice', url);
    assert.equal(await sum(alice.client), '42');
    const calls = await gateway.command('audit', 'tail', '-o', 'json');
    assert.ok(calls.includes('user:alice@example.com'), calls.slice(-500));
  });
  await check('who is in no team of the provider sees nothing', async () => {
    const bob = await logIn('bob', url);
    assert.deepEqual((await bob.client.listTools()).tools, []);
    await bob.client.close();
  });
  await check('an address that the provider has not verified names nobody', async () => {
    await assert.rejects(logIn('mallory', url), /not verified|nauthorized|401/);
  });
  await check('a token for one endpoint opens no other', async () => {
    const token = alice.login.tokens().access_token;
    assert.equal(await tried(url, token), 200);
    assert.equal(await tried(`${gateway.base}/mcp`, token), 401);
  });
  await check('the client refreshes a token that is over, and goes on in its session', async () => {
    const before = alice.login.saved.times;
    await pause(Number(process.env.ACCESS_TOKEN_SECONDS ?? 15) * 1000);
    assert.equal(await sum(alice.client), '42');
    assert.ok(alice.login.saved.times > before, 'no other token was fetched');
  });
  await check('keys rotate with overlap: old tokens and new ones are good', async () => {
    const old = alice.login.tokens().access_token;
    await control({ keys: ['second', 'first'] });
    await pause(COOL_DOWN);
    const carol = await logIn('alice', url);
    assert.equal(await sum(carol.client), '42');
    assert.equal(await tried(url, old), 200);
    alice = carol;
  });
  await check('keys rotate without overlap: the old key is refused once the new one is known', async () => {
    const old = alice.login.tokens().access_token;
    await control({ keys: ['third'] });
    await pause(COOL_DOWN);
    alice = await logIn('alice', url);
    assert.equal(await sum(alice.client), '42');
    assert.equal(await tried(url, old), 401);
  });
  await check('F09 while the provider is down its tokens are good until its keys expire, then the answer is 503', async () => {
    const fresh = await logIn('alice', url);
    const token = fresh.login.tokens().access_token;
    await control({ down: true });
    await pause(COOL_DOWN);
    assert.equal(await tried(url, token), 200);
    await until(async () => (await tried(url, token)) === 503, 'the keys of a provider that is down are still used', 8);
    await control({ down: false });
    const later = await until(async () => (await tried(url, token)) !== 503, 'the provider is back, and nobody noticed', 8);
    assert.ok(later);
    alice = await logIn('alice', url);
    assert.equal(await sum(alice.client), '42');
  });
  await check('Claude Code without a header says that it needs to log in, and finds everything it looks for', async () => {
    const before = gateway.log().length;
    const { status, log } = await claudeStatus(url);
    assert.equal(status, 'needs-auth', log);
    const lines = gateway.log().slice(before).split('\n').filter((line) => line.includes('status='));
    assert.ok(lines.some((line) => line.includes('status=401')), `it never knocked: ${lines}`);
    const rest = lines.filter((line) => !line.includes('status=401'));
    assert.ok(rest.length > 0 && rest.every((line) => line.includes('status=200')), `it looked in vain: ${rest.join('\n')}`);
  });
  await check('no token and no code stands in the log or in the journal', async () => {
    const log = gateway.log();
    const records = await gateway.command('audit', 'tail', '-n', '1000', '-o', 'json');
    for (const text of [alice.login.tokens().access_token, alice.login.tokens().refresh_token, alice.login.saved.verifier])
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
  console.error(`identity: ${options.verbose ? problem.stack : problem.message}`);
  process.exitCode = 1;
} finally {
  killAll();
}
