// A model that does what its plan says: it calls tools, and says its last word.

import { createServer } from 'node:http';

const MESSAGE = {
  id: 'msg_fake',
  type: 'message',
  role: 'assistant',
  model: 'claude-fake',
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
};

const resultsIn = (body) =>
  (body.messages ?? [])
    .flatMap((message) => (Array.isArray(message.content) ? message.content : []))
    .filter((part) => part.type === 'tool_result')
    .map((part) => part.content);

/** The plan of one idea: calls the tool, then repeats the tool's result. */
export const callOnce = (tool, input) => (results) =>
  results.length > 0 ? { say: `FINAL:${JSON.stringify(results[0])}` } : { tool, input };

/** The turn that follows from what the client has sent so far. */
function nextTurn(body, plan) {
  const results = resultsIn(body);
  const next = plan(results, (body.tools ?? []).map((tool) => tool.name));
  if (next.say !== undefined) return { stop_reason: 'end_turn', content: [{ type: 'text', text: next.say }] };
  return {
    stop_reason: 'tool_use',
    content: [{ type: 'tool_use', id: `toolu_fake_${results.length}`, name: next.tool, input: next.input }],
  };
}

function streamTurn(turn, response) {
  const send = (event) => response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  send({ type: 'message_start', message: { ...MESSAGE, content: [], stop_reason: null } });
  turn.content.forEach((part, index) => {
    const isText = part.type === 'text';
    const opened = isText ? { type: 'text', text: '' } : { ...part, input: {} };
    const delta = isText
      ? { type: 'text_delta', text: part.text }
      : { type: 'input_json_delta', partial_json: JSON.stringify(part.input) };
    send({ type: 'content_block_start', index, content_block: opened });
    send({ type: 'content_block_delta', index, delta });
    send({ type: 'content_block_stop', index });
  });
  send({ type: 'message_delta', delta: { stop_reason: turn.stop_reason, stop_sequence: null }, usage: MESSAGE.usage });
  send({ type: 'message_stop' });
  response.end();
}

/**
 * plan(results so far, names of the tools offered now) -> {tool, input} or {say}.
 * Resolves to {url, listed: names of all tools that the client ever offered, close()}.
 */
export async function fakeAnthropic(plan) {
  const listed = new Set();
  const server = createServer(async (request, response) => {
    let bytes = '';
    for await (const piece of request) bytes += piece;
    if (request.method !== 'POST') return response.writeHead(404).end();
    const body = JSON.parse(bytes || '{}');
    for (const tool of body.tools ?? []) listed.add(tool.name);
    if (request.url.includes('count_tokens')) return response.end('{"input_tokens":1}');
    const turn = nextTurn(body, plan);
    if (body.stream) return streamTurn(turn, response);
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify({ ...MESSAGE, ...turn }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    listed,
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    }),
  };
}
