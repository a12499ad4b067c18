// The providers behind the gateway in these checks: one that speaks both of OpenAI's wires, one that speaks Anthropic's.

import { join } from 'node:path';
import { anthropicSchema } from './anthropic_schema.mjs';
import { startProvider } from './fake_provider.mjs';
import { openaiSchema } from './openai_schema.mjs';

export const OPENAI_KEY = 'sk-fake-openai-0123456789';
export const ANTHROPIC_KEY = 'sk-fake-anthropic-0123456789';

/** Where the descriptions that belong to others are kept. */
export const sharedFolder = () => process.env.SALLYPORT_SHARED ?? join(import.meta.dirname, '../../../../shared');

/** The descriptions of both APIs as one: {check(name, value), eventSchema(type)}. */
export function bothSchemas() {
  const openai = openaiSchema(sharedFolder());
  const anthropic = anthropicSchema(join(import.meta.dirname, '../node_modules'));
  const theirs = /^(Beta)?(Message|RawMessage)/;
  return {
    check: (name, value) => (theirs.test(name) ? anthropic : openai).check(name, value),
    eventSchema: openai.eventSchema,
  };
}

/** secrets: what must reach neither. Resolves to {openai, anthropic, problems(): what either found wrong, close()}. */
export async function startFakes({ scenarios, check, secrets = [] }) {
  const openai = await startProvider({ wires: ['chat', 'responses'], credential: OPENAI_KEY, secrets, scenarios, check });
  const anthropic = await startProvider({ wires: ['messages'], credential: ANTHROPIC_KEY, secrets, scenarios, check });
  return { openai, anthropic, close: () => Promise.all([openai.close(), anthropic.close()]) };
}
