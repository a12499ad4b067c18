// The public conformance cases of CEL (@bufbuild/cel-spec), evaluated by build/release/tests/expressions/expressions.
// docs/expressions.md lists what is outside of the subset. A case that is listed there and yet gives the wanted value fails
// the run, and so does one that is not listed and does not give it.
//
//   node expressions.mjs --program FILE --outside FILE [--only TEXT] [--verbose]
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { toJson } from "@bufbuild/protobuf";
import { SimpleTestSchema } from "@bufbuild/cel-spec/cel/expr/conformance/test/simple_pb.js";
import { getTestRegistry } from "@bufbuild/cel-spec/testdata/registry.js";
import { getConformanceSuite } from "@bufbuild/cel-spec/testdata/tests.js";

const { values: options } = parseArgs({
  options: {
    program: { type: "string" },
    outside: { type: "string" },
    only: { type: "string", default: "" },
    verbose: { type: "boolean", default: false },
  },
});
const registry = getTestRegistry();

// Rows of the table: | `file/section` | all, or names of cases | reason |
function readOutside(file) {
  const rows = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [, where, cases] = line.match(/^\| `([a-z0-9_*]+\/[A-Za-z0-9_*]+)` \| ([^|]+) \|/) ?? [];
    if (where) rows.push({ where, cases: cases.trim() === "all" ? null : cases.split(",").map((name) => name.trim()), used: 0 });
  }
  return rows;
}

const durationType = "type.googleapis.com/google.protobuf.Duration";
const timestampType = "type.googleapis.com/google.protobuf.Timestamp";

// The cases' own form of a value, as the program prints values; undefined for what is no value of the subset.
function wantedValue(value) {
  const [[tag, content]] = Object.entries(value);
  switch (tag) {
    case "nullValue": return { null: null };
    case "boolValue": return { bool: content };
    case "int64Value": return { int: content };
    case "uint64Value": return { uint: content };
    case "doubleValue": return { double: String(Number(content)) };
    case "stringValue": return { string: content };
    case "bytesValue": return { bytes: Buffer.from(content, "base64").toString("hex") };
    case "typeValue": return { type: content };
    case "listValue": return { list: (content.values ?? []).map(wantedValue) };
    case "mapValue": return { map: (content.entries ?? []).flatMap((entry) => [wantedValue(entry.key), wantedValue(entry.value)]) };
    default: return undefined;
  }
}

// Keys of maps have no order; doubles are compared as numbers.
function normal(value) {
  const [[tag, content]] = Object.entries(value ?? { missing: null });
  if (tag === "double") return `double ${Number(content.replace(/^(-?)inf$/, "$1Infinity"))}`.replace(/ -0$/, " 0");
  if (tag === "list") return `[${content.map(normal).join()}]`;
  if (tag === "map") {
    const entries = [];
    for (let i = 0; i < content.length; i += 2) entries.push(`${normal(content[i])}:${normal(content[i + 1])}`);
    return `{${entries.sort().join()}}`;
  }
  return `${tag} ${JSON.stringify(content)}`;
}

// A bound value as an expression; undefined for what is no value of the subset.
function literal(value) {
  const [[tag, content]] = Object.entries(value);
  const all = (parts) => (parts.includes(undefined) ? undefined : parts.join(", "));
  switch (tag) {
    case "nullValue": return "null";
    case "boolValue": return String(content);
    case "int64Value": return content;
    case "uint64Value": return `${content}u`;
    case "doubleValue": return Number.isInteger(content) ? `${content}.0` : `double('${content}')`;
    case "stringValue": return JSON.stringify(content);
    case "bytesValue": return `b'${Buffer.from(content, "base64").toString("hex").replace(/../g, "\\x$&")}'`;
    case "listValue": { const items = all((content.values ?? []).map(literal)); return items === undefined ? undefined : `[${items}]`; }
    case "mapValue": {
      const entries = all((content.entries ?? []).map(({ key, value: its }) => literal(its) && `${literal(key)}: ${literal(its)}`));
      return entries === undefined ? undefined : `{${entries}}`;
    }
    case "objectValue":
      if (content["@type"] === durationType) return `duration('${content.value}')`;
      if (content["@type"] === timestampType) return `timestamp('${content.value}')`;
      return undefined;
    default: return undefined;
  }
}

function collect() {
  const cases = [];
  for (const file of getConformanceSuite().suites) {
    for (const section of file.suites) {
      for (const { name, original } of section.tests) {
        const test = toJson(SimpleTestSchema, original, { registry });
        const bindings = {};
        let reason = test.checkOnly ? "it asks for types alone" : test.container ? "it has a container" : undefined;
        for (const [bound, { value }] of Object.entries(test.bindings ?? {})) {
          bindings[bound] = literal(value);
          if (bindings[bound] === undefined) reason = `${bound} is bound to a value that no expression has`;
        }
        // The cases' default is true.
        const wanted = test.value ?? test.typedResult?.result ?? (test.evalError ? undefined : { boolValue: true });
        cases.push({ file: file.name, section: section.name, name, expr: test.expr, bindings, reason, fails: wanted === undefined, wanted: wanted && wantedValue(wanted) });
      }
    }
  }
  return cases.filter(({ file, section, name }) => `${file}/${section}/${name}`.includes(options.only));
}

function outsideRow(rows, test) {
  return rows.find(({ where, cases }) => {
    const [file, section] = where.split("/");
    return file === test.file && (section === "*" || section === test.section) && (cases === null || cases.includes(test.name));
  });
}

const cases = collect();
const input = cases.map(({ expr, bindings, reason }) => JSON.stringify({ expr, bindings: reason ? {} : bindings })).join("\n");
const run = spawnSync(options.program, { input: `${input}\n`, encoding: "utf8", maxBuffer: 64 << 20 });
if (run.status !== 0) {
  console.error(`expressions: ${options.program} ended with ${run.status ?? run.signal}: ${run.stderr.slice(0, 2000)}`);
  process.exit(1);
}
const answers = run.stdout.trim().split("\n").map((line) => JSON.parse(line));

const rows = readOutside(options.outside);
const count = { passed: 0, outside: 0, wrong: 0 };
cases.forEach((test, i) => {
  const { value, error } = answers[i];
  const right = !test.reason && (test.fails ? error !== undefined : value !== undefined && normal(value) === normal(test.wanted));
  const row = outsideRow(rows, test);
  const label = `${test.file}/${test.section}/${test.name}`;
  const seen = test.reason ?? error ?? normal(value);
  if (row) row.used += 1;
  if (row && right && !test.fails) {
    count.wrong += 1;
    console.log(`FAILED  ${label}: listed as outside of the subset, and passes: ${test.expr}`);
  } else if (row) {
    count.outside += 1;
    if (options.verbose) console.log(`outside ${label}: ${seen}`);
  } else if (right) {
    count.passed += 1;
    if (options.verbose) console.log(`ok      ${label}`);
  } else {
    count.wrong += 1;
    console.log(`FAILED  ${label}: ${test.expr}\n        gave ${seen}, wanted ${test.fails ? "an error" : normal(test.wanted)}`);
  }
});
if (!options.only) {
  for (const row of rows) {
    const missing = row.cases?.length > row.used ? "has fewer of these cases" : row.used === 0 ? "has no such section" : undefined;
    if (!missing) continue;
    count.wrong += 1;
    console.log(`FAILED  ${options.outside} lists ${row.where}, and the suite ${missing}`);
  }
}
if (!options.only) {
  const figure = `${count.passed.toLocaleString("en")} of ${cases.length.toLocaleString("en")} pass`;
  if (!readFileSync(options.outside, "utf8").includes(figure)) {
    count.wrong += 1;
    console.log(`FAILED  ${options.outside} does not say: ${figure}`);
  }
}
console.log(`expressions: ${count.passed} of ${cases.length} cases of CEL pass, ${count.outside} are outside of the subset, ${count.wrong} are wrong`);
process.exit(count.wrong === 0 ? 0 : 1);
