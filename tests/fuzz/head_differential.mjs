// Asks two parsers about the same request heads: ours (heads.cpp) and llhttp, as node ships it. What ours accepts llhttp must
// accept too, and see the same method, target, headers and body in it. What llhttp alone accepts is no fault: it is counted.
//
//   node --no-deprecation tests/fuzz/head_differential.mjs HEADS [--cases N] [--seed N]
//
// A difference is printed with the head as a JSON string, and makes the exit status 1. The same seed makes the same heads.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { HTTPParser, methods, allMethods } = process.binding('http_parser');
const methodNames = allMethods ?? methods;

const { values: options, positionals } = parseArgs({
  options: { cases: { type: 'string', default: '50000' }, seed: { type: 'string' } },
  allowPositionals: true,
});
const seed = Number(options.seed ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;
const cases = Number(options.cases);
if (positionals.length !== 1 || !Number.isInteger(cases)) {
  console.error('usage: head_differential.mjs HEADS [--cases N] [--seed N]');
  process.exit(2);
}

// --- heads -------------------------------------------------------------------------------------------------------------------

let state = seed;
function random(below) {
  // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % below;
}
const one = (list) => list[random(list.length)];

const folder = fileURLToPath(new URL('seeds/head', import.meta.url));
const seeds = readdirSync(folder).map((name) => {
  const text = readFileSync(join(folder, name), 'latin1');
  const end = text.indexOf('\r\n\r\n');
  return end < 0 ? text : text.slice(0, end + 4);
});

const verbs = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'POST', 'GET', 'TRACE', 'CONNECT', 'SOURCE', 'FOO', 'get', 'M-SEARCH'];
const targets = [
  '/', '/mcp', '/mcp/pay', '/mcp?x=1', '/v1/messages?a=b&c=%2F', '/a/../b', '//x', '/%6d', '*', 'http://localhost/mcp', 'HTTP://localhost',
  'http://localhost?q', 'http://other/', 'https://localhost/mcp', 'localhost:80', '/mcp#x', '/?\x80\xff', "/a'()*+,;=:@", '/\x7f', '?x', 'ftp://localhost/',
  'http:///x', 'http://user@localhost/', '/' + 'a'.repeat(300),
];
const versions = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'http/1.1', 'HTTP/1.1 ', 'HTTP/01.1', 'ICE/1.0', 'RTSP/1.0'];
const lines = [
  'Content-Length: 5', 'Content-Length: 0', 'Content-Length: +5', 'Content-Length: 5 ', 'Content-Length:5', 'Content-Length: 05', 'Content-Length: 5, 5',
  'Content-Length: 0x5', 'Content-Length:\t7', 'Content-Length: ', 'Content-Length: 18446744073709551615', 'Content-Length: 9999999999999999999',
  'Content-Length : 5', 'content-length: 12', 'Content_Length: 5', 'Content-Length: 5\x0b',
  'Transfer-Encoding: chunked', 'transfer-encoding:chunked', 'Transfer-Encoding: Chunked', 'Transfer-Encoding: chunked ', 'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, chunked', 'Transfer-Encoding: identity', 'Transfer-Encoding:\x0bchunked', 'Transfer-Encoding: ', 'Transfer-Encoding : chunked',
  'Transfer_Encoding: chunked', 'Transfer-Encoding: "chunked"',
  'Connection: close', 'Connection: keep-alive', 'Connection: upgrade, close', 'Connection: Upgrade', 'Connection: te, HTTP2-Settings', 'Connection: x-secret',
  'Connection: close, close', 'Connection: ,', 'Connection:', 'Proxy-Connection: close', 'Upgrade: h2c', 'Upgrade: websocket', 'HTTP2-Settings: AAA', 'TE: trailers',
  'Expect: 100-continue', 'Expect: 100-Continue', 'Expect: more', 'Host: localhost', 'host: other', 'Host: ', 'Host: a b', 'Host: [::1]:80',
  'X-Forwarded-For: 1.2.3.4', 'X_Forwarded_For: 1', 'x-forwarded-Host: a', 'Forwarded: for=1', 'X-Forwarded: x', 'Accept: application/json, text/event-stream',
  'Authorization: Bearer x', 'X: ', 'X:', 'X:\t', 'X: a\tb', 'X: \x80\xff', 'X: a\x7fb', 'X: a\x00b', 'X: a\x01b', 'X: "a, b"', ': x', ' X: folded', '\tX', 'X',
  'X Y: z', 'X\x80: y', "!#$%&'*+-.^_`|~09az: all", 'X: a  ', 'X:   a', 'Trailer: X', 'Cookie: a=b; c=d', 'X: ' + 'v'.repeat(400), 'N'.repeat(200) + ': n',
];
const ends = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', ' \r\n', '\t\r\n', '\0\r\n'];
const pieces = ['\r', '\n', '\r\n', ' ', '\t', '\0', ':', ',', ';', '\x0b', '\x0c', '\x7f', '\x80', '\xa0', '\xff', '%', '"', '/', '.', '0', '5', 'chunked'];

function made() {
  const strange = random(3) === 0; // most are to be good ones: of those more can be said
  const end = () => (strange && random(8) === 0 ? one(ends) : '\r\n');
  let out = `${one(strange ? verbs : verbs.slice(0, 9))} ${one(strange || random(4) === 0 ? targets : targets.slice(0, 5))} ${one(strange ? versions : versions.slice(0, 5))}${end()}`;
  const all = random(12) === 0 ? [] : ['Host: localhost'];
  for (let n = random(5); n > 0; n--) all.splice(random(all.length + 1), 0, one(lines));
  for (const line of all) out += line + end();
  return out + end();
}

function changed(head) {
  for (let n = random(4); n > 0; n--) {
    const at = random(head.length + 1);
    switch (random(6)) {
      case 0: head = head.slice(0, at) + one(pieces) + head.slice(at); break;
      case 1: head = head.slice(0, at) + head.slice(at + 1 + random(3)); break;
      case 2: head = head.slice(0, at) + String.fromCharCode(random(256)) + head.slice(at + 1); break;
      case 3: head = head.slice(0, at) + head.slice(at, at + 8).toUpperCase() + head.slice(at + 8); break;
      case 4: {
        const start = head.indexOf('\r\n', at);
        if (start >= 0) head = head.slice(0, start + 2) + one(lines) + '\r\n' + head.slice(start + 2);
        break;
      }
      default: {
        const all = head.split('\r\n');
        const i = random(all.length);
        const j = random(all.length);
        [all[i], all[j]] = [all[j], all[i]];
        head = all.join('\r\n');
      }
    }
  }
  return head;
}

function next() {
  switch (random(4)) {
    case 0: return changed(one(seeds));
    case 1: return changed(made());
    default: return made();
  }
}

// --- both parsers ------------------------------------------------------------------------------------------------------------

function ours(heads) {
  const parts = [];
  for (const head of heads) {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(head.length);
    parts.push(size, head);
  }
  const run = spawnSync(positionals[0], { input: Buffer.concat(parts), maxBuffer: 1 << 30 });
  const answers = run.stdout?.toString('latin1').trimEnd().split('\n') ?? [];
  if (run.status !== 0 || answers.length !== heads.length) {
    console.error(`${positionals[0]}: ${run.error ?? run.stderr}`);
    process.exit(1);
  }
  return answers.map((answer) => {
    const [verdict, ...words] = answer.split(' ');
    if (verdict !== 'accepted') return { verdict, why: words.join(' ') };
    const text = (hex) => Buffer.from(hex, 'hex').toString('latin1');
    const list = (from, to) => words.slice(from, to).map((pair) => pair.split(':').map(text));
    const forwarded = words.indexOf('forwarded');
    return {
      verdict,
      length: Number(words[0]),
      method: words[1],
      target: text(words[2]),
      minor: Number(words[3].slice(2)),
      keep: words[4] === 'keep',
      framing: words[5],
      headers: list(7, forwarded),
      forwarded: list(forwarded + 1),
    };
  });
}

class Theirs {
  constructor() {
    this.headers = [];
    this.body = '';
    this.begun = this.whole = false;
    this.parser = new HTTPParser();
    this.parser.initialize(HTTPParser.REQUEST, {}, 1 << 20, 0);
    this.parser[HTTPParser.kOnHeaders | 0] = (headers, url) => {
      this.headers.push(...headers);
      this.target = (this.target ?? '') + url;
    };
    this.parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, headers, method, url, _status, _text, upgrade, keep) => {
      this.headers.push(...(headers ?? []));
      Object.assign(this, { begun: true, major, minor, method: methodNames[method], target: this.target ? this.target : url, upgrade, keep });
      return 0;
    };
    this.parser[HTTPParser.kOnBody | 0] = (bytes) => (this.body += bytes.toString('latin1'));
    this.parser[HTTPParser.kOnMessageComplete | 0] = () => (this.whole = true);
  }
  // The name of its error, or nothing.
  feed(bytes) {
    const result = this.parser.execute(bytes);
    return result instanceof Error ? result.code : undefined;
  }
  pairs() {
    const out = [];
    for (let i = 0; i < this.headers.length; i += 2) out.push([this.headers[i], this.headers[i + 1]]);
    return out;
  }
}

// What is dropped on the way in, by the rule of src/net/head.cpp: a spelling of a forwarding header with '_'.
const isDropped = (name) => /^x[-_]forwarded[-_]./i.test(name) && name.includes('_');
const isForwarding = (name) => /^forwarded$/i.test(name) || /^x[-_]forwarded[-_]./i.test(name);
const spelled = (pairs) => JSON.stringify(pairs.map(([name, value]) => [name.toLowerCase(), value]));

// What is wrong with a head that we accept; nothing when both agree.
function difference(head, mine) {
  const theirs = new Theirs();
  const early = theirs.feed(head.subarray(0, mine.length - 1));
  if (theirs.begun) return 'llhttp sees the end of the head earlier';
  const error = early ?? theirs.feed(head.subarray(mine.length - 1, mine.length));
  if (error) return `llhttp refuses it: ${error}`;
  if (!theirs.begun) return 'llhttp sees no end of the head';
  if (mine.method !== theirs.method && mine.method !== '*') return `method: ${mine.method}, ${theirs.method}`;
  if (mine.target !== theirs.target) return `target: ${JSON.stringify([mine.target, theirs.target])}`;
  if (theirs.major !== 1 || theirs.minor !== mine.minor) return `version: 1.${mine.minor}, ${theirs.major}.${theirs.minor}`;
  const all = theirs.pairs();
  const kept = spelled(all.filter(([name]) => !isForwarding(name)));
  if (spelled(mine.headers) !== kept) return `headers: ${spelled(mine.headers)}, ${kept}`;
  const forwarded = spelled(all.filter(([name]) => isForwarding(name) && !isDropped(name)));
  if (spelled(mine.forwarded) !== forwarded) return `forwarded headers: ${spelled(mine.forwarded)}, ${forwarded}`;

  if (mine.framing === 'none' || mine.framing === '0') {
    if (!theirs.whole) return 'llhttp waits for a body';
    return mine.keep && !theirs.keep && !theirs.upgrade ? 'llhttp ends the connection' : undefined;
  }
  if (theirs.whole) return 'llhttp sees no body';
  const chunked = mine.framing === 'chunked';
  const wanted = 'x'.repeat(chunked ? 3 : Math.min(Number(mine.framing), 64));
  const body = chunked ? `3\r\n${wanted}\r\n0\r\n\r\n` : wanted;
  const end = body.length - 1;
  const broken = theirs.feed(Buffer.from(body.slice(0, end), 'latin1')) ?? (theirs.whole ? 'too early' : theirs.feed(Buffer.from(body.slice(end), 'latin1')));
  if (broken) return `llhttp reads another body: ${broken}`;
  if (theirs.body !== wanted) return `body: ${JSON.stringify(theirs.body)}`;
  const ended = chunked || Number(mine.framing) <= 64;
  return theirs.whole === ended ? undefined : 'llhttp sees another end of the body';
}

// Whether llhttp takes a head that we refuse; whatever stands behind the head is left out.
function takes(head) {
  const theirs = new Theirs();
  const end = head.indexOf('\r\n\r\n');
  return theirs.feed(end < 0 ? head : head.subarray(0, end + 4)) === undefined && theirs.begun;
}

// --- all of them -------------------------------------------------------------------------------------------------------------

// Differences that harm nobody.
const documented = [
  // A method that llhttp does not know, or that wants a target of its own form: ours answers 405 and reads no further.
  (mine, why) => mine.method === '*' && /HPE_INVALID_METHOD|HPE_INVALID_URL|HPE_INVALID_CONSTANT/.test(why) && 'a method that nobody serves',
  // The connection ends earlier or later; the request is the same (RFC 9112, appendix C.2.2).
  (mine, why) => why === 'llhttp ends the connection' && mine.headers.some(([name]) => /^proxy-connection$/i.test(name)) && 'Proxy-Connection, which is not ours to obey',
  // White space behind a token may be a tab (RFC 9110, section 5.6.3); llhttp does not know the token then.
  (mine, why, head) => why === 'llhttp ends the connection' && /^connection:.*keep-alive *\t/im.test(head.toString('latin1')) && 'a tab behind keep-alive',
];

const counts = { accepted: 0, refused: 0, more: 0 };
const alone = new Map();
const excused = new Map();
const add = (map, key) => map.set(key, (map.get(key) ?? 0) + 1);
let found = 0;
const began = Date.now();
console.log(`heads: seed ${seed}, ${cases} cases`);
for (let done = 0; done < cases; done += 5000) {
  const heads = Array.from({ length: Math.min(5000, cases - done) }, () => Buffer.from(next(), 'latin1'));
  const verdicts = ours(heads);
  heads.forEach((head, i) => {
    const mine = verdicts[i];
    counts[mine.verdict]++;
    if (mine.verdict === 'refused' && takes(head)) add(alone, mine.why);
    if (mine.verdict !== 'accepted') return;
    const why = difference(head, mine);
    const excuse = why && documented.map((reason) => reason(mine, why, head)).find(Boolean);
    if (excuse) add(excused, excuse);
    if (!why || excuse) return;
    if (++found <= 20) console.log(`DIFFERENT ${why}\n  ${JSON.stringify(head.toString('latin1'))}`);
  });
}
console.log(`heads: ${counts.accepted} accepted by both, ${counts.refused} refused, ${counts.more} unfinished, in ${((Date.now() - began) / 1000).toFixed(1)} s`);
const listed = (map) => [...map].sort((a, b) => b[1] - a[1]).map(([key, n]) => `  ${String(n).padStart(7)}  ${key}`).join('\n');
if (excused.size) console.log(`accepted by us alone, for a reason:\n${listed(excused)}`);
if (alone.size) console.log(`accepted by llhttp alone:\n${listed(alone)}`);
if (counts.accepted * 20 < cases) {
  console.error('heads: hardly any head was accepted: nothing has been compared');
  process.exit(1);
}
if (found) console.error(`heads: ${found} differences; run again with --seed ${seed}`);
process.exit(found ? 1 : 0);
