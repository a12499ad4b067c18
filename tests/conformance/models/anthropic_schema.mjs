// The types of Anthropic's SDK, made into checks: the declarations that it ships are read, not retyped.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';
import { explain } from './schema_problems.mjs';

const COMPILER = {
  strict: true,
  target: 'es2022',
  module: 'nodenext',
  moduleResolution: 'nodenext',
  skipLibCheck: true,
  types: [],
};

const takesNull = (schema) =>
  schema?.type === 'null' || schema?.type?.includes?.('null') || Boolean(schema?.anyOf?.some(takesNull));

/** A member that may be null may be missing too: services leave out members that are newer than the version asked for. */
function allowAbsent(node) {
  if (node === null || typeof node !== 'object') return;
  Object.values(node).forEach(allowAbsent);
  if (node.required && node.properties) node.required = node.required.filter((name) => !takesNull(node.properties[name]));
}

const FILES = { Beta: 'beta/messages/messages.d.ts', '': 'messages/messages.d.ts' };

function typesIn(file) {
  const home = mkdtempSync(join(tmpdir(), 'types-'));
  const tsconfig = join(home, 'tsconfig.json');
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions: COMPILER }));
  const generator = createGenerator({
    path: file,
    tsconfig,
    type: '*',
    skipTypeCheck: true,
    additionalProperties: false,
    jsDoc: 'none',
    expose: 'export',
  });
  rmSync(home, { recursive: true });
  return generator;
}

/** `modules`: the folder of npm packages. Gives check(name, value) -> [problem]; names are exported types, "Beta" before those of the beta. */
export function anthropicSchema(modules) {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const generators = new Map();
  const compiled = new Map();
  const compile = (name) => {
    const [, beta = '', type] = name.match(/^(Beta)?(MessageCreateParams|.*)$/);
    if (!generators.has(beta)) generators.set(beta, typesIn(join(modules, '@anthropic-ai/sdk/resources', FILES[beta])));
    const schema = generators.get(beta).createSchema(type);
    if (!type.endsWith('Params')) allowAbsent(schema);
    return ajv.compile(schema);
  };
  const check = (name, value) => {
    if (!compiled.has(name)) compiled.set(name, compile(name));
    const validate = compiled.get(name);
    return validate(value) ? [] : explain(validate.errors, name);
  };
  return { check };
}
