// What is asked and answered in every cell of the matrix, in no wire's form (chat_wire.mjs says what these look like).

const USAGE = { input: 100, read: 30, written: 20, output: 12, reasoning: 0 };
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
const PAPER = Buffer.from('%PDF-1.4\n%%EOF\n').toString('base64');
const WEATHER = {
  name: 'get_weather',
  description: 'Says what the weather is.',
  schema: {
    type: 'object',
    properties: { city: { type: 'string', description: 'Where.' }, days: { type: 'integer', minimum: 1, maximum: 14 } },
    required: ['city'],
    additionalProperties: false,
  },
};
const PATCH = { name: 'apply_patch', description: 'Applies a patch.', custom: true };
const PERSON = {
  name: 'person',
  schema: {
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer' } },
    required: ['name', 'age'],
    additionalProperties: false,
  },
};
const PATCH_TEXT = '*** Begin Patch\n-say "hällo"\n+say \\"hello\\"\t👋\n*** End Patch';
export const SAYS = 'Grüße, 世界 👋 — “quoted”, back\\slash, tab\t and\nline.';
export const THOUGHT = 'Let me think: the user wants the weather in Zürich.';
export const SYSTEM = 'You are brief.\nYou never lie.';

const say = (text, more) => ({ parts: [{ text }], stop: 'done', usage: USAGE, ...more });
const hasResults = (request) => request.items.some((item) => item.result);
const resultsSaid = (request) =>
  say(
    `The results: ${request.items
      .filter((item) => item.result)
      .map((item) => item.result.text)
      .join(' | ')}`,
  );
const signature = (wire, cell) => Buffer.from(`signed by ${wire} for ${cell} +/=`.padEnd(120, '.')).toString('base64');

/** calls, and once their results are there, what they were. */
const calling = (parts) => (request) => (hasResults(request) ? resultsSaid(request) : { parts, stop: 'tools', usage: USAGE });

/**
 * name -> {ask: what the client asks, its first text preceded by the mark; answers: name of tool -> result; respond(request, {wire, cell}):
 * what the provider answers; lacks: wires of providers that cannot, and then the answer must be an error}.
 */
export const SCENARIOS = {
  plain: { ask: { text: ['Say hello.'] }, respond: () => say(SAYS) },
  tools: {
    ask: { text: ['What is the weather in Zürich?'], tools: [WEATHER] },
    answers: { get_weather: '{"sky":"clear ☀"}' },
    respond: calling([
      { text: 'I will look.' },
      { call: { id: 'call_Zurich-1', name: 'get_weather', args: { city: 'Zürich "ZH" \\ 世界', days: 3 } } },
    ]),
  },
  'parallel-tools': {
    ask: { text: ['What is the weather in Bern and in Rome?'], tools: [WEATHER] },
    answers: { get_weather: 'rain' },
    respond: calling([
      { call: { id: 'call_Bern', name: 'get_weather', args: { city: 'Bern' } } },
      { call: { id: 'call_Rome', name: 'get_weather', args: { city: 'Rome', days: 14 } } },
    ]),
  },
  'custom-tool': {
    ask: { text: ['Mend the greeting.'], tools: [PATCH] },
    answers: { apply_patch: 'patched' },
    respond: calling([{ call: { id: 'call_patch', name: 'apply_patch', input: PATCH_TEXT } }]),
  },
  image: {
    ask: {
      text: ['What do these show?'],
      more: [
        { image: { data: PIXEL, type: 'image/png' } },
        { image: { url: 'https://example.com/cat.jpg' } },
        { file: { data: PAPER, name: 'paper.pdf' } },
      ],
    },
    respond: () => say('A pixel, a cat and a paper.'),
  },
  thinking: {
    ask: { text: ['Think, then look up the weather.'], tools: [WEATHER], reasoning: 'medium', max: 8000 },
    answers: { get_weather: 'fog' },
    respond: (request, { wire, cell }) =>
      hasResults(request)
        ? resultsSaid(request)
        : {
            parts: [
              { thinking: THOUGHT, signature: signature(wire, cell) },
              { text: 'I thought about it.' },
              { call: { id: 'call_thought', name: 'get_weather', args: { city: 'Zürich' } } },
            ],
            stop: 'tools',
            usage: { ...USAGE, output: 40, reasoning: 25 },
          },
  },
  json: { ask: { text: ['Who is Ada?'], json: PERSON }, respond: () => say('{"name":"Ada","age":36}') },
  error: {
    ask: { text: ['Too much.'] },
    fails: { status: 400, words: 'prompt is too long: 214315 tokens > 200000 maximum' },
    respond: () => ({
      fail: {
        status: 400,
        type: 'invalid_request_error',
        code: 'context_length_exceeded',
        message: 'prompt is too long: 214315 tokens > 200000 maximum',
      },
    }),
  },
  refusal: {
    ask: { text: ['Do something bad.'] },
    respond: () => ({ parts: [{ refusal: 'I cannot help with that.' }], stop: 'refusal', usage: USAGE }),
  },
  length: { ask: { text: ['Say a lot.'], max: 64 }, respond: () => say('This ends in the midd', { stop: 'limit' }) },
};

/** What a client asks in one cell, with the mark that the fake finds. */
export function askOf({ ask }, mark) {
  const { text, more = [], max = 500, ...rest } = ask;
  return { system: SYSTEM, max, items: [{ user: [{ text: `${mark} ${text[0]}` }, ...more] }], ...rest };
}
