// What a schema check found, in words that help: of a choice that nothing fits, only what the nearest variant lacks.

const SAID_BY_OTHERS = new Set(['anyOf', 'oneOf', 'if', 'allOf']);

/** A variant of another kind: its complaint says nothing about the value, only that it is not that kind. */
const wrongKind = (error) => ['const', 'enum'].includes(error.keyword) && /\/(type|role|object)$/.test(error.instancePath);
const variantOf = (error) =>
  error.schemaPath.replace(/\/(properties|required|items|unevaluatedProperties|additionalProperties|type|enum|const)\b.*$/, '');

const say = (error) => {
  const { missingProperty, unevaluatedProperty, additionalProperty, allowedValues } = error.params;
  const where = error.instancePath || '/';
  if (unevaluatedProperty ?? additionalProperty) return `${where}: no member ${unevaluatedProperty ?? additionalProperty}`;
  if (missingProperty) return `${where}: ${missingProperty} is missing`;
  if (allowedValues) return `${where}: one of ${allowedValues.slice(0, 8).join(', ')}`;
  return `${where}: ${error.message}`;
};

/** errors of Ajv -> at most a few lines. */
export function explain(errors, name) {
  const plain = errors.filter((error) => !SAID_BY_OTHERS.has(error.keyword));
  const otherKinds = new Set(plain.filter(wrongKind).map(variantOf));
  const near = plain.filter((error) => !otherKinds.has(variantOf(error)));
  const told = near.length > 0 ? near : plain.filter((error) => !wrongKind(error));
  const deep = (told.length > 0 ? told : errors).toSorted((one, other) => other.instancePath.length - one.instancePath.length);
  return [...new Set(deep.map(say))].slice(0, 4).map((line) => `${name}${line}`);
}
