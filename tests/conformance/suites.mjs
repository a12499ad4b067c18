// Runs the official conformance suites, through the gateway or straight to the fixtures, and holds every check against what it
// must be: a check that is neither passed nor excused by the table is a failure, and so is an excuse that is not needed.
//
//   suites.mjs [--binary PATH] [--docs FILE] [--direct] [--only TEXT] [--scenario NAME]

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { glob, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { killAll, printed, run, start, stop } from './processes.mjs';
import { READY, httpServer, openDoor, startSallyport } from './sallyport.mjs';
import { CLIENT_PASSED, INEXPRESSIBLE, SUITES, TASKS_PASSED, TASK_SCENARIOS } from './suites_table.mjs';

const { values: options } = parseArgs({
  options: {
    binary: { type: 'string', default: 'build/release/sallyport' },
    docs: { type: 'string', default: 'docs/conformance.md' },
    direct: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    scenario: { type: 'string' },
    parallel: { type: 'string', default: '2' },
    verbose: { type: 'boolean', default: false },
  },
});
const node = process.execPath;
const program = (name) => join(import.meta.dirname, 'node_modules', name, 'dist/index.js');

/** A fixture, and a gateway in front of it unless the run is direct; resolves to {url, log(), stop()}. */
async function startSide(fixture, era) {
  const server = start(node, [join(import.meta.dirname, fixture)]);
  const url = `${(await printed(server, READY))[1]}/mcp`;
  if (options.direct) return { url, log: () => server.log, stop: () => stop(server) };
  const documents = [httpServer('suite', url, { era }), openDoor('suite')];
  const gateway = await startSallyport({ binary: resolve(options.binary), documents });
  await gateway.command('server', 'test', 'suite');
  const end = async () => {
    const code = await gateway.stop();
    await stop(server);
    assert.equal(code, 0, 'the gateway did not end cleanly');
  };
  return { url: `${gateway.base}/mcp/suite`, log: () => `${gateway.log()}\n${server.log}`, stop: end };
}

/** Runs a suite program; resolves to its checks as [{scenario, id, status, message}]. */
async function runSuite(name, leg, args, env = process.env) {
  const folder = await mkdtemp(join(tmpdir(), 'suite-'));
  const ended = await run(node, [program(name), leg, '-o', folder, ...args], { seconds: 240, cwd: import.meta.dirname, env });
  const checks = [];
  for await (const path of glob('**/checks.json', { cwd: folder })) {
    const scenario = dirname(path).replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
    for (const { id, status, errorMessage } of JSON.parse(await readFile(join(folder, path), 'utf8')))
      checks.push({ scenario, id, status, message: errorMessage, folder: dirname(join(folder, path)) });
  }
  if (!options.verbose) await rm(folder, { recursive: true, force: true });
  assert.ok(checks.length > 0, `the suite ended with ${ended.code}: ${ended.stdout.slice(-2000)}${ended.stderr.slice(-2000)}`);
  return checks;
}

// What a suite writes down about what passes by.
const NOTES = /^(incoming|outgoing)-|^stream-closed$|^server-info$/;

const excuseFor = (check, revision, era) =>
  INEXPRESSIBLE.find(
    (one) => one.revision === revision && one.era === era && one.scenario === check.scenario && one.checks.includes(check.id),
  );

/** What is wrong with these checks, in words. */
function problemsOf(checks, revision, era, passed) {
  const problems = [];
  for (const check of checks) {
    const excuse = excuseFor(check, revision, era);
    const where = `${check.scenario} ${check.id}`;
    if (check.status === 'SUCCESS' && excuse) problems.push(`STALE ${where}: excused, but it passes`);
    if (!['FAILURE', 'WARNING'].includes(check.status) || excuse) continue;
    problems.push(`${check.status} ${where}: ${check.message ?? ''}${options.verbose ? `  (${check.folder})` : ''}`);
  }
  if (options.scenario) return problems;
  const succeeded = checks.filter((check) => check.status === 'SUCCESS').length;
  if (succeeded !== passed) {
    problems.push(`COUNT ${succeeded} checks passed, expected ${passed}`);
    // What was neither tried nor failed: where a missing check may hide.
    const quiet = checks.filter(({ status, id }) => status === 'SKIPPED' || (status === 'INFO' && !NOTES.test(id)));
    for (const check of quiet) problems.push(`${check.status} ${check.scenario} ${check.id}: ${check.message ?? ''}`);
  }
  return problems;
}

async function runOne(job) {
  const begin = Date.now();
  const side = job.fixture ? await startSide(job.fixture, job.era) : { url: '', log: () => '', stop: async () => {} };
  let checks = [];
  const problems = [];
  try {
    checks = (await job.checks(side.url)).filter((check) => job.counts(check));
    problems.push(...problemsOf(checks, job.revision, job.spoken, job.passed));
  } catch (problem) {
    problems.push(problem.message);
  }
  await side.stop().catch((problem) => problems.push(problem.message));
  const count = (status) => checks.filter((check) => check.status === status).length;
  const failed = count('FAILURE') + count('WARNING');
  const seconds = ((Date.now() - begin) / 1000).toFixed(0);
  console.log(`${problems.length > 0 ? 'FAILED' : 'ok    '}  ${job.name.padEnd(48)} ${count('SUCCESS')} passed, ${failed} not  (${seconds} s)`);
  for (const problem of problems) console.log(`        ${problem.replaceAll('\n', '\n          ')}`);
  if (problems.length > 0 && options.verbose) console.log(side.log());
  return problems.length;
}

function jobs() {
  const eras = options.direct ? ['automatic'] : ['automatic', 'legacy', 'modern'];
  // The fixture speaks both; left to itself the gateway takes the newer one.
  const spoken = (era) => (era === 'automatic' && !options.direct ? 'modern' : era);
  const link = (era) => (options.direct ? 'direct' : `upstream ${era}`);
  const all = SUITES.flatMap((suite) =>
    eras.map((era) => ({
      name: `${suite.name}, ${link(era)}`,
      fixture: 'suite_fixture.mjs',
      era,
      spoken: spoken(era),
      revision: suite.revision,
      passed: (options.direct ? (suite.direct ?? suite.passed) : suite.passed) -
        INEXPRESSIBLE.filter((one) => one.revision === suite.revision && one.era === spoken(era))
          .reduce((sum, one) => sum + one.checks.length, 0),
      counts: ({ scenario, status }) =>
        (suite.scenarios?.(scenario) ?? true) && !(status === 'WARNING' && suite.unheard?.includes(scenario)),
      checks: (url) => runSuite(suite.package, 'server', ['--url', url, ...(options.scenario ? single(suite) : suite.args)]),
    })),
  );
  const one = (scenario, revision) => ['--scenario', scenario, '--spec-version', revision];
  const single = (suite) => one(options.scenario, suite.revision);
  all.push({
    name: `0.2.0-alpha.12 tasks, ${link('automatic')}`,
    fixture: 'tasks_fixture.mjs',
    era: 'automatic',
    revision: 'tasks',
    passed: TASKS_PASSED,
    counts: () => true,
    async checks(url) {
      const checks = [];
      for (const scenario of TASK_SCENARIOS.filter((one) => one === (options.scenario ?? one)))
        checks.push(...(await runSuite('conformance-2026', 'server', ['--url', url, ...one(scenario, '2026-07-28'), '--force'])));
      return checks;
    },
  });
  if (!options.direct) all.push(...Object.entries(CLIENT_PASSED).map(([revision, passed]) => clientJob(revision, passed)));
  return all.filter((job) => job.name.includes(options.only));
}

/** The gateway as the client of the suite's own servers; each scenario starts a gateway of its own (client_driver.mjs). */
function clientJob(revision, passed) {
  const driver = relative(import.meta.dirname, join(import.meta.dirname, 'client_driver.mjs'));
  const command = `${relative(import.meta.dirname, node)} ${driver}`;
  return {
    name: `0.2.0-alpha.12 client leg ${revision}`,
    revision,
    passed,
    counts: ({ scenario }) => !scenario.startsWith('auth/') && scenario === (options.scenario ?? scenario),
    checks: () =>
      runSuite('conformance-2026', 'client', ['--command', command, '--requirements', revision], {
        ...process.env,
        SALLYPORT_BINARY: resolve(options.binary),
      }),
  };
}

/** The rows of the table in the documentation. */
async function documented() {
  const text = await readFile(options.docs, 'utf8');
  const rows = text.matchAll(/^\| (\d{4}-\d\d-\d\d) \| (legacy|modern) \| `([^`]+)` \| (.+?) \| (.+?) \|$/gm);
  return [...rows].map(([, revision, era, scenario, ids, reason]) => ({
    revision,
    era,
    scenario,
    checks: [...ids.matchAll(/`([^`]+)`/g)].map((one) => one[1]),
    reason,
  }));
}

async function main() {
  let failures = 0;
  if (existsSync(options.docs)) {
    try {
      assert.deepEqual(await documented(), INEXPRESSIBLE);
      console.log('ok      the documentation has the same table of exceptions');
    } catch (problem) {
      failures += 1;
      console.log(`FAILED  the documentation has the same table of exceptions\n${problem.message}`);
    }
  } else if (!options.direct) throw new Error(`no ${options.docs}`);
  const waiting = jobs();
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) failures += await runOne(job);
  };
  await Promise.all(Array.from({ length: Number(options.parallel) }, worker));
  console.log(failures === 0 ? 'suites: all as they must be' : `suites: ${failures} problems`);
  return failures === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (problem) {
  console.error(`suites: ${options.verbose ? problem.stack : problem.message}`);
  process.exitCode = 1;
} finally {
  killAll();
}
