// Model calls with the SDKs that people use, unmodified, through the gateway to strict fakes of three wires; and Claude Code, whose
// model and whose MCP server it is.
//
//   models.mjs [--binary PATH] [--only TEXT] [--verbose]   through the gateway
//   models.mjs --direct                                    each SDK straight to the fake of its own wire: do fakes and checks agree?

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checklist } from './checklist.mjs';
import { anthropicChecks } from './models/anthropic_checks.mjs';
import { BEHAVIOURS } from './models/behaviours.mjs';
import { claudeCodeChecks } from './models/claude_code_checks.mjs';
import { errorChecks } from './models/error_checks.mjs';
import { beginPondering, failureChecks } from './models/failure_checks.mjs';
import { ANTHROPIC_KEY, OPENAI_KEY, bothSchemas, startFakes } from './models/fakes.mjs';
import { runMatrix } from './models/matrix.mjs';
import { CLAUDE, startModelSide } from './models/model_side.mjs';
import { mutationChecks } from './models/mutation_checks.mjs';
import { openaiChecks } from './models/openai_checks.mjs';
import { portkeyChecks } from './models/portkey_checks.mjs';
import { recordChecks } from './models/record_checks.mjs';
import { startSteady, steadyChecks } from './models/steady_checks.mjs';
import { killAll } from './processes.mjs';

const { values: options } = parseArgs({
  options: {
    binary: { type: 'string', default: 'build/release/sallyport' },
    direct: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
  },
});
const { check, summary } = checklist('models', options);

/** One line for each pair of wires, and one for each cell that is not as it must be. */
function report(results) {
  const pairs = Map.groupBy(results, ({ client, provider }) => `${client} client, ${provider} provider`);
  return Promise.all(
    [...pairs].map(([pair, cells]) =>
      check(`${pair}: ${cells.length} cells`, () => {
        const bad = cells.filter((one) => one.problems.length > 0);
        const told = bad.map((one) => `${one.scenario}, ${one.stream ? 'streamed' : 'whole'}: ${one.problems.join('\n    ')}`);
        if (bad.length > 0) throw new Error(`${bad.length} of ${cells.length} cells\n${told.join('\n')}`);
      }),
    ),
  );
}

async function direct(schemas) {
  const fakes = await startFakes({ scenarios: BEHAVIOURS, check: schemas.check });
  const open = { base: fakes.openai.url, key: OPENAI_KEY };
  const sides = [
    ['chat', open, { model: 'gpt-5-mini', provider: fakes.openai }],
    ['responses', open, { model: 'gpt-5-mini', provider: fakes.openai }],
    ['messages', { base: fakes.anthropic.url, key: ANTHROPIC_KEY }, { model: CLAUDE, provider: fakes.anthropic }],
  ];
  for (const [wire, gateway, target] of sides)
    await report(await runMatrix({ gateway, targets: { [wire]: target }, schemas, only: `${wire} ${wire}` }));
  await fakes.close();
}

async function throughGateway(schemas) {
  const binary = resolve(options.binary);
  if (!existsSync(binary)) throw new Error(`no ${binary}; run ./dev build`);
  const steady = await startSteady();
  const side = await startModelSide({ binary, scenarios: BEHAVIOURS, schemas, steady: steady.url });
  const pondered = beginPondering(side, options.only);
  const targets = {
    chat: { model: 'chat-fake/gpt-5-mini', provider: side.fakes.openai },
    responses: { model: 'responses-fake/gpt-5-mini', provider: side.fakes.openai },
    messages: { model: `anthropic-fake/${CLAUDE}`, provider: side.fakes.anthropic },
  };
  await report(await runMatrix({ gateway: side, targets, schemas, only: options.only }));
  const steadily = (all, one) => steadyChecks(all, steady, one);
  for (const checks of [
    openaiChecks,
    anthropicChecks,
    portkeyChecks,
    errorChecks,
    failureChecks,
    claudeCodeChecks,
    steadily,
    pondered,
    recordChecks,
  ]) {
    await side.alive();
    await checks(side, check);
  }
  await steady.stop();
  await side.stop();
}

async function main() {
  const schemas = bothSchemas();
  await mutationChecks(schemas, check);
  await (options.direct ? direct : throughGateway)(schemas);
  return summary();
}

try {
  process.exitCode = await main();
} catch (problem) {
  console.error(`models: ${options.verbose ? problem.stack : problem.message}`);
  process.exitCode = 1;
} finally {
  killAll();
  // The fakes of a run that was given up still listen.
  process.exit();
}
