// The tools that answer without asking anything back.

import { fromJsonSchema } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { audio, image, resource, text } from './media.mjs';

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const said = (...words) => ({ content: words.map(text) });

// Every keyword here must reach the client as it is.
const RICH_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const REGION_SCHEMA = {
  type: 'object',
  properties: {
    region: { type: 'string', description: 'Travels as a header too', 'x-mcp-header': 'Region' },
    note: { type: 'string' },
  },
};

/** Registers the tools; resolves to the one that comes and goes. `register` is registerTool. */
export function registerTools(register, hub) {
  register('test_simple_text', { description: 'Says one sentence' }, async () => said('A simple text, and nothing else.'));
  register('test_image_content', { description: 'Shows an image' }, async () => ({ content: [image] }));
  register('test_audio_content', { description: 'Plays a sound' }, async () => ({ content: [audio] }));
  register('test_embedded_resource', { description: 'Embeds a resource' }, async () => ({
    content: [resource('test://embedded-resource', 'text/plain', 'What the embedded resource says.')],
  }));
  register('test_multiple_content_types', { description: 'Text, image and resource' }, async () => ({
    content: [text('Three kinds:'), image, resource('test://mixed-content-resource', 'application/json', '{"kind":"mixed"}')],
  }));
  register('test_error_handling', { description: 'Always fails' }, async () => ({
    ...said('It failed, as it should.'),
    isError: true,
  }));
  register('json_schema_2020_12_tool', { description: 'Has a rich schema', inputSchema: fromJsonSchema(RICH_SCHEMA) }, async () =>
    said('The arguments fit the schema.'),
  );
  register('test_x_mcp_header', { description: 'Repeats an argument as a header', inputSchema: fromJsonSchema(REGION_SCHEMA) },
    async ({ region }) => said(`region: ${region ?? 'none'}`));
  registerSpeaking(register);
  registerWaiting(register);
  return registerChanging(register, hub);
}

/** Tools that say something before they answer. */
function registerSpeaking(register) {
  const logs = (...words) => async (context) => {
    for (const [index, word] of words.entries()) {
      if (index > 0) await pause(50);
      await context.mcpReq.log('info', word, 'suite-fixture');
    }
    return said('Logged.');
  };
  register('test_tool_with_logging', { description: 'Logs three times' }, logs('started', 'at work', 'finished'));
  register('test_logging_tool', { description: 'Logs where the client wants it' }, logs('working', 'still working'));
  register('test_tool_with_progress', { description: 'Reports progress in three steps' }, async (context) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progress > 0) await pause(50);
      if (progressToken === undefined) continue;
      const params = { progressToken, progress, total: 100 };
      await context.mcpReq.notify({ method: 'notifications/progress', params });
    }
    return said('All steps are done.');
  });
}

/** Tools that are about connections and time. */
function registerWaiting(register) {
  register('test_reconnection', { description: 'Closes its stream, then answers' }, async (context) => {
    await pause(50);
    context.http?.closeSSE?.();
    await pause(200);
    return said('The answer comes after the break.');
  });
  register(
    'test_wait',
    { description: 'Waits, unless it is cancelled', inputSchema: z.object({ seconds: z.number() }) },
    async ({ seconds }, { mcpReq: { signal } }) => {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, seconds * 1000);
        signal.addEventListener('abort', () => resolve(clearTimeout(timer)), { once: true });
      });
      return said(`waited ${seconds} s`);
    },
  );
}

/** Tools that change what the server offers. */
function registerChanging(register, hub) {
  register('test_trigger_tool_change', { description: 'Adds a tool, or takes it away again' }, async () => {
    hub.toggle('tools');
    return said('The tools have changed.');
  });
  register('test_trigger_prompt_change', { description: 'Adds a prompt, or takes it away again' }, async () => {
    hub.toggle('prompts');
    return said('The prompts have changed.');
  });
  register('test_touch_resource', { description: 'Changes the watched resource' }, async () => {
    hub.touch('test://watched-resource');
    return said('The resource has changed.');
  });
  const dynamic = register('test_dynamic_tool', { description: 'Comes and goes' }, async () => said('Here I am.'));
  if (!hub.present('tools')) dynamic.update({ enabled: false });
  return dynamic;
}
