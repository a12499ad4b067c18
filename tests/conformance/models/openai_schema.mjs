// OpenAI's own description of its API, made into checks. Requests are held to it strictly: what it does not name is a problem.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import { explain } from './schema_problems.mjs';

const ROOT = 'https://openai.invalid/spec';
const IGNORED = new Set([
  'discriminator',
  'example',
  'examples',
  'xml',
  'externalDocs',
  'default',
  'deprecated',
  '$recursiveAnchor',
]);

/** What the description leaves out and OpenAI's SDK knows: custom tools while they are streamed. */
const CUSTOM_CHUNK = { type: 'object', properties: { name: { type: 'string' }, input: { type: 'string' } } };
/** What this field adds to chat for thinking; nothing else may be added. */
const CHAT_THINKING = { reasoning_content: {}, reasoning_details: { type: 'array' }, content_blocks: { type: 'array' } };

/** OpenAPI 3.1 with the habits of 3.0 in it, as plain JSON Schema. `oneOf` becomes `anyOf`: its own variants overlap. */
function plain(node) {
  if (Array.isArray(node)) return node.map(plain);
  if (node === null || typeof node !== 'object') return node;
  const { nullable, oneOf, $recursiveRef, ...rest } = node;
  const made = {};
  for (const [key, value] of Object.entries(rest)) {
    if (IGNORED.has(key) && !(key === 'default' && typeof value === 'object')) continue;
    if (key === 'properties')
      made.properties = Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
    else if (key === '$ref') made.$ref = value;
    else if (!key.startsWith('x-') && !['description', 'title', 'format'].includes(key)) made[key] = plain(value);
  }
  if (oneOf) made.anyOf = plain(oneOf);
  if ($recursiveRef) made.$ref = '#/components/schemas/CompoundFilter';
  return nullable ? { anyOf: [made, { type: 'null' }] } : made;
}

function membersOfAllOf(schemas) {
  const named = new Set();
  const walk = (node, within) => {
    if (node === null || typeof node !== 'object') return;
    if (Array.isArray(node)) return node.forEach((one) => walk(one, within));
    if (within) named.add(node);
    if (within && node.$ref) {
      const target = schemas[node.$ref.split('/').pop()];
      if (target && !named.has(target)) walk(target, true);
    }
    for (const [key, value] of Object.entries(node))
      if (key === 'allOf') walk(value, true);
      else if (key === 'anyOf' && (within || node.properties)) walk(value, true);
      else walk(value, false);
  };
  for (const one of Object.values(schemas)) walk(one, false);
  return named;
}

/** Closes every object that is not itself a part of another. */
function close(schemas) {
  const parts = membersOfAllOf(schemas);
  const walk = (node) => {
    if (node === null || typeof node !== 'object') return;
    if (Array.isArray(node)) return node.forEach(walk);
    Object.values(node).forEach(walk);
    const wholeElsewhere = node.$ref && parts.has(schemas[node.$ref.split('/').pop()]);
    const isObject = node.properties || node.allOf || wholeElsewhere;
    if (!parts.has(node) && isObject && node.additionalProperties === undefined) node.unevaluatedProperties = false;
  };
  for (const one of Object.values(schemas)) walk(one);
}

function extend(schemas) {
  const chunk = schemas.ChatCompletionMessageToolCallChunk;
  chunk.properties.type.enum = ['function', 'custom'];
  chunk.properties.custom = CUSTOM_CHUNK;
  Object.assign(schemas.ChatCompletionStreamResponseDelta.properties, CHAT_THINKING);
  Object.assign(schemas.ChatCompletionResponseMessage.properties, CHAT_THINKING);
  // Other places of the description give the item a status, and the service does.
  schemas.CustomToolCall.properties.status = { enum: ['in_progress', 'completed', 'incomplete'] };
  // The examples in the description itself have these.
  const response = schemas.Response.allOf.find((one) => one.properties?.usage).properties;
  response.store = { type: 'boolean' };
  response.user = { type: ['string', 'null'] };
  response.usage = { anyOf: [response.usage, { type: 'null' }] };
  const assistant = schemas.ChatCompletionRequestAssistantMessage;
  Object.assign((assistant.properties ??= {}), CHAT_THINKING);
}

/** `shared`: the folder that holds data/openai-openapi-2.3.0.json. Gives check(name of a schema, value) -> [problem]. */
export function openaiSchema(shared) {
  const document = JSON.parse(readFileSync(join(shared, 'data/openai-openapi-2.3.0.json'), 'utf8'));
  const schemas = plain(document.components.schemas);
  extend(schemas);
  close(schemas);
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({ $id: ROOT, components: { schemas } });
  const compiled = new Map();
  const check = (name, value) => {
    if (!schemas[name]) throw new Error(`OpenAI's description has no ${name}`);
    if (!compiled.has(name))
      compiled.set(name, ajv.compile({ $ref: `${ROOT}#/components/schemas/${name}`, unevaluatedProperties: false }));
    const validate = compiled.get(name);
    return validate(value) ? [] : explain(validate.errors, name);
  };
  /** The schema of each streamed event of the Responses API, by its type. */
  const events = new Map();
  for (const { $ref } of schemas.ResponseStreamEvent.anyOf) {
    const name = $ref.split('/').pop();
    for (const type of schemas[name]?.properties?.type?.enum ?? []) events.set(type, name);
  }
  return { check, eventSchema: (type) => events.get(type) };
}
