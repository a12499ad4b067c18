// A provider of models that holds every request to its API's description, and answers as the scenario in it says.

import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import * as chat from './chat_wire.mjs';
import * as messages from './messages_wire.mjs';
import * as responses from './responses_wire.mjs';
import { shreds } from './sse.mjs';

const WIRES = { chat, responses, messages };
const SCHEMAS = { chat: 'CreateChatCompletionRequest', responses: 'CreateResponse', messages: 'MessageCreateParams' };
const MARK = /\[\[([a-z-]+):([\w.-]+)\]\]/;
const FORBIDDEN = /^(x-portkey-|x-sallyport-|forwarded$|x-forwarded-|x-real-ip$|cookie$)/;

/** A text that the fake finds again in the request: names the scenario and the one who asks. */
export const mark = (scenario, cell) => `[[${scenario}:${cell}]]`;

function headerProblems(headers, { credential, secrets, wire }) {
  const problems = Object.keys(headers)
    .filter((name) => FORBIDDEN.test(name))
    .map((name) => `header ${name} arrived`);
  for (const [name, value] of Object.entries(headers))
    if (secrets.some((secret) => String(value).includes(secret)))
      problems.push(`header ${name} holds a credential of the gateway`);
  const shown = headers.authorization ?? (headers['x-api-key'] && `key ${headers['x-api-key']}`);
  if (![`Bearer ${credential}`, `key ${credential}`].includes(shown)) problems.push(`the credential is ${shown}`);
  if (wire !== 'messages')
    for (const name of Object.keys(headers)) if (/^(x-api-key|anthropic-.*)$/.test(name)) problems.push(`${name} arrived`);
  if (!/^application\/json\b/.test(headers['content-type'] ?? '')) problems.push(`content-type ${headers['content-type']}`);
  if (wire === 'messages' && !/^\d{4}-\d\d-\d\d$/.test(headers['anthropic-version'] ?? '')) problems.push('no anthropic-version');
  return problems;
}

async function readBody(request) {
  const bytes = [];
  for await (const piece of request) bytes.push(piece);
  return Buffer.concat(bytes).toString();
}

function sendJson(response, status, value, headers = {}) {
  response.writeHead(status, {
    'content-type': 'application/json',
    'request-id': 'req_fake',
    'x-request-id': 'req_fake',
    ...headers,
  });
  response.end(JSON.stringify(value));
}

/** Writes frames in shreds; ends as the scenario wants: whole, broken off, silent for good, or with the wire's own error. */
async function sendFrames(response, wire, frames, { cut, after = Infinity, error, silence }) {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'request-id': 'req_fake',
    'cache-control': 'no-cache',
  });
  const kept = [...frames].slice(0, cut ? after : undefined);
  for (const [at, frame] of kept.entries()) {
    if (at === silence?.after) await pause(silence.for);
    for (const shred of shreds(frame)) {
      if (response.destroyed) return;
      response.write(shred);
      await pause(0);
    }
  }
  if (cut === 'hang') return;
  if (cut === 'break') {
    await pause(20);
    response.destroy();
    return;
  }
  if (cut === 'error') response.write(wire.failure(error, after));
  response.end();
}

function embeddings(body) {
  const inputs = Array.isArray(body.input) ? body.input : [body.input];
  const vector = (text) => [...String(text)].slice(0, 4).map((letter) => letter.codePointAt(0) / 1024);
  const packed = (text) => Buffer.from(Float32Array.from(vector(text)).buffer).toString('base64');
  return {
    object: 'list',
    model: body.model,
    data: inputs.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: body.encoding_format === 'base64' ? packed(text) : vector(text),
    })),
    usage: { prompt_tokens: 7, total_tokens: 7 },
  };
}

/**
 * wires: which it speaks; credential: the only one that it takes; secrets: what must never arrive; check(schema, value) -> [problem];
 * scenarios: name -> respond(request, {attempt, cell, wire, body, headers}) -> an answer (chat_wire.mjs). Beside its own members it may have
 *   wait: ms before anything comes; silence: {after: frames, for: ms};
 *   cut: hang, break or error, where the stream ends after `after` frames; error: what it says then;
 *   fail: {status, type, code, message, headers, body} instead of an answer.
 * Resolves to {url, requests: [{wire, scenario, cell, attempt, body, request, headers, problems, closed}], of(cell), close()}.
 */
export async function startProvider({ wires, credential, secrets, scenarios, check }) {
  const requests = [];
  const issued = new Set();
  const attempts = new Map();
  let lastCell = 0;

  function problemsOf(wire, body, headers) {
    const schema = `${wire.name === 'messages' && headers['anthropic-beta'] ? 'Beta' : ''}${SCHEMAS[wire.name]}`;
    const problems = [...headerProblems(headers, { credential, secrets, wire: wire.name }), ...check(schema, body)];
    if (problems.length > 0) return problems;
    problems.push(...wire.rules(body, headers));
    for (const item of wire.read(body).items)
      for (const signature of item.thinking ?? [])
        if (signature && !issued.has(signature)) problems.push(`thinking that was never issued here: ${signature.slice(0, 60)}`);
    return problems;
  }

  async function answerCall(wire, request, response) {
    const text = await readBody(request);
    const body = JSON.parse(text);
    const [, scenario = 'plain', cell = `_${(lastCell += 1)}`] = text.match(MARK) ?? [];
    const attempt = (attempts.get(cell) ?? 0) + 1;
    attempts.set(cell, attempt);
    const problems = problemsOf(wire, body, request.headers);
    const entry = {
      wire: wire.name,
      scenario,
      cell,
      attempt,
      body,
      headers: request.headers,
      problems,
      at: Date.now(),
      closed: false,
    };
    requests.push(entry);
    response.on('close', () => (entry.closed = true));
    if (problems.length > 0)
      return sendJson(
        response,
        400,
        wire.errorBody({ type: 'invalid_request_error', message: `refused by the fake: ${problems.join('; ')}` }),
      );
    entry.request = wire.read(body);
    const made = scenarios[scenario]?.(entry.request, { attempt, cell, wire: wire.name, body, headers: request.headers });
    if (!made) return sendJson(response, 404, wire.errorBody({ type: 'not_found_error', message: `no scenario ${scenario}` }));
    for (const part of made.parts ?? []) if (part.signature) issued.add(part.signature);
    if (made.wait) await pause(made.wait);
    if (response.destroyed) return undefined;
    if (made.fail) return sendJson(response, made.fail.status, made.fail.body ?? wire.errorBody(made.fail), made.fail.headers);
    const id = `${cell.replaceAll('.', '_')}_${attempt}`;
    if (body.stream) return sendFrames(response, wire, wire.frames(made, body, id), made);
    if (made.cut === 'hang') return undefined;
    if (made.cut === 'break') return response.destroy();
    return sendJson(response, 200, wire.answer(made, body, id), made.headers);
  }

  const answerOther = async (path, request, response) => {
    if (request.method === 'GET' && path === '/v1/models')
      return sendJson(response, 200, {
        object: 'list',
        data: [{ id: 'gpt-5-mini', object: 'model', created: 1, owned_by: 'fake' }],
      });
    if (path !== '/v1/embeddings' && path !== '/v1/messages/count_tokens')
      return sendJson(response, 404, { error: { message: path } });
    const body = JSON.parse(await readBody(request));
    const counting = path.endsWith('count_tokens');
    const problems = headerProblems(request.headers, { credential, secrets, wire: counting ? 'messages' : 'embeddings' });
    problems.push(...check(counting ? 'MessageCountTokensParams' : 'CreateEmbeddingRequest', body));
    requests.push({ wire: counting ? 'count_tokens' : 'embeddings', body, headers: request.headers, problems });
    if (problems.length > 0)
      return sendJson(response, 400, chat.errorBody({ type: 'invalid_request_error', message: problems.join('; ') }));
    return sendJson(response, 200, counting ? { input_tokens: 42 } : embeddings(body));
  };

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://fake');
    const wire = wires.map((one) => WIRES[one]).find((one) => one.path === pathname);
    (wire && request.method === 'POST' ? answerCall(wire, request, response) : answerOther(pathname, request, response)).catch(
      (problem) => {
        requests.push({ cell: 'fake', problems: [`the fake failed: ${problem.stack}`] });
        response.destroy();
      },
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    of: (cell) => requests.filter((one) => one.cell === cell),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}
