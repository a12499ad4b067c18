// What is left when all calls are over: the providers' complaints, the journal, and no secret anywhere.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { openai } from './client_calls.mjs';
import { ANTHROPIC_KEY, OPENAI_KEY } from './fakes.mjs';

export async function recordChecks(side, check) {
  await check('a W3C traceparent is the trace of the call', async () => {
    const trace = randomUUID().replaceAll('-', '');
    const client = openai({ ...side, defaultHeaders: { traceparent: `00-${trace}-b7ad6b7169203331-01` } });
    const { response } = await client.chat.completions
      .create({ model: 'openai-fake/gpt-5-mini', messages: [{ role: 'user', content: side.ask('who').text }] })
      .withResponse();
    assert.equal(response.headers.get('x-portkey-trace-id'), trace);
    await side.recordsOf(trace);
  });
  await check('the providers had nothing to complain of in any request', () =>
    assert.deepEqual(side.complaints().slice(0, 5), []),
  );
  await check('no credential stands in the log or the journal', async () => {
    const journal = JSON.stringify(await side.records());
    for (const [what, text] of Object.entries({ log: side.gateway.log(), journal }))
      for (const secret of [side.key, OPENAI_KEY, ANTHROPIC_KEY])
        assert.ok(!text.includes(secret), `a credential stands in the ${what}`);
  });
  await check('the journal verifies', () => side.gateway.command('audit', 'verify'));
}
