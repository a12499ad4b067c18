// How the fakes behave in the checks outside the matrix: errors, silence, broken streams, and answers that tell who gave them.

import { SCENARIOS } from './scenarios.mjs';

export const SLOW = 45_000;
export const PONDERS = 22_000;
const USAGE = { input: 10, read: 0, written: 0, output: 5, reasoning: 0 };
const say = (text, more) => ({ parts: [{ text }], stop: 'done', usage: USAGE, ...more });
const LONG = 'word '.repeat(200);

const fail = (status, type, message, more) => () => ({ fail: { status, type, message, ...more } });
const first = (failing) => (request, at) =>
  at.attempt === 1 ? failing(request, at) : say(`answered by ${at.wire} at attempt ${at.attempt}`);
/** One wire fails or dawdles, the other answers. */
const onlyOn = (wire, failing) => (request, at) => (at.wire === wire ? failing(request, at) : say(`answered by ${at.wire}`));

const busy = fail(429, 'rate_limit_error', 'Slow down: words of the provider.', {
  code: 'rate_limit_exceeded',
  headers: { 'retry-after-ms': '50', 'retry-after': '1' },
});
const overloaded = fail(529, 'overloaded_error', 'Overloaded');
const down = fail(503, 'server_error', 'Down for a moment.');

export const BEHAVIOURS = {
  ...Object.fromEntries(Object.entries(SCENARIOS).map(([name, one]) => [name, one.respond])),
  who: (request, { wire, body }) => say(`answered by ${wire} as ${body.model}`),
  busy,
  'busy-once': first(busy),
  'busy-twice': (request, at) => (at.attempt <= 2 ? busy(request, at) : say(`answered at attempt ${at.attempt}`)),
  overloaded,
  'no-such-model': fail(404, 'not_found_error', 'No such model: words of the provider.', { code: 'model_not_found' }),
  'not-allowed': fail(403, 'permission_error', 'Not you: words of the provider.'),
  'too-large': fail(413, 'request_too_large', 'Too much: words of the provider.'),
  breaks: fail(500, 'api_error', 'It broke: words of the provider.'),
  down,
  'openai-down': (request, at) => (at.wire === 'messages' ? say('answered by messages') : down(request, at)),
  'chat-down': onlyOn('chat', down),
  'bad-key': fail(401, 'authentication_error', 'That key is not known here.', { code: 'invalid_api_key' }),
  'odd-error': () => ({
    fail: {
      status: 413,
      body: {
        type: 'error',
        error: { type: 'request_too_large', message: 'Prompt is too long', extra: [1] },
        request_id: 'req_odd',
      },
    },
  }),
  slow: onlyOn('chat', () => say('too late', { wait: SLOW })),
  /** Calls the tool of the MCP server, then says what it got. */
  adds: (request) => {
    const result = request.items.find((item) => item.result)?.result;
    if (result) return say(`The sum is ${result.text.match(/\d+/)?.[0]}`);
    if (!request.tools.some((tool) => tool.name === 'mcp__gw__add')) return say('There is no tool.');
    return { parts: [{ call: { id: 'toolu_add', name: 'mcp__gw__add', args: { a: 40, b: 2 } } }], stop: 'tools', usage: USAGE };
  },
  long: () => say(LONG),
  /** Begins, and then has nothing to say for a while. */
  ponders: () => say(LONG, { silence: { after: 1, for: PONDERS } }),
  'breaks-off': () => say(LONG, { cut: 'break', after: 4 }),
  'says-it-failed': () =>
    say(LONG, {
      cut: 'error',
      after: 4,
      error: { type: 'overloaded_error', code: 'server_error', message: 'Overloaded in the middle' },
    }),
  'falls-silent': () => say(LONG, { cut: 'hang', after: 4 }),
};
