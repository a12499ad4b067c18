// Chat completions, from both ends: what a client asks and reads, what a provider reads and answers.
//
// A request in no wire's form: {system, items, tools, json, reasoning, max}; items are {user: [part]}, {calls, text, thinking}
// and {result: {id, text}}; parts {text}, {image: {data, type} | {url}}, {file: {data, name}}; tools {name, description, schema, custom}.
// An answer: {parts, stop, usage}; parts {thinking, signature}, {text}, {refusal}, {call: {id, name, args | input}}; stop one of
// done, tools, limit, refusal; usage {input, read, written, output, reasoning}, the first three disjoint.

import { pieces, unnamed } from './sse.mjs';

export const name = 'chat';
export const path = '/v1/chat/completions';
const CREATED = 1790000000;
const FINISH = { done: 'stop', tools: 'tool_calls', limit: 'length', refusal: 'stop' };

const dataUrl = ({ data, type }) => `data:${type};base64,${data}`;
const fromDataUrl = (url) => {
  const [, type, data] = url.match(/^data:([^;]+);base64,(.*)$/s) ?? [];
  return type ? { data, type } : { url };
};
const textOf = (content) => (typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join(''));

// The client's end.

const userPart = (part) => {
  if (part.text !== undefined) return { type: 'text', text: part.text };
  if (part.file)
    return { type: 'file', file: { filename: part.file.name, file_data: dataUrl({ ...part.file, type: 'application/pdf' }) } };
  return { type: 'image_url', image_url: { url: part.image.url ?? dataUrl(part.image) } };
};

const tool = ({ name: called, description, schema, custom }) =>
  custom
    ? { type: 'custom', custom: { name: called, description } }
    : { type: 'function', function: { name: called, description, parameters: schema } };

/** A request as a client of this wire writes it. */
export function ask(request, model) {
  const messages = request.system ? [{ role: 'system', content: request.system }] : [];
  for (const { user } of request.items)
    messages.push({ role: 'user', content: user.length === 1 ? user[0].text : user.map(userPart) });
  return {
    model,
    messages,
    max_completion_tokens: request.max,
    ...(request.tools && { tools: request.tools.map(tool) }),
    ...(request.json && {
      response_format: {
        type: 'json_schema',
        json_schema: { name: request.json.name, schema: request.json.schema, strict: true },
      },
    }),
    ...(request.reasoning && { reasoning_effort: request.reasoning }),
  };
}

/** The next request of the conversation: what was answered, then the results of its calls. */
export function follow(body, answer, results) {
  const { message } = answer.choices[0];
  const said = { role: 'assistant', content: message.content };
  for (const member of ['tool_calls', 'reasoning_details', 'content_blocks']) if (message[member]) said[member] = message[member];
  const told = results.map(({ id, text }) => ({ role: 'tool', tool_call_id: id, content: text }));
  return { ...body, messages: [...body.messages, said, ...told] };
}

/** A whole answer in no wire's form. */
export function readAnswer(answer) {
  const { message, finish_reason: finish } = answer.choices[0];
  const parts = [];
  if (message.reasoning_content) parts.push({ thinking: message.reasoning_content });
  if (message.content) parts.push({ text: message.content });
  if (message.refusal) parts.push({ refusal: message.refusal });
  for (const call of message.tool_calls ?? [])
    parts.push({
      call: call.custom
        ? { id: call.id, name: call.custom.name, input: call.custom.input }
        : { id: call.id, name: call.function.name, args: JSON.parse(call.function.arguments) },
    });
  const stop = { stop: 'done', tool_calls: 'tools', length: 'limit', content_filter: 'refusal' }[finish];
  return { parts, stop: message.refusal ? 'refusal' : stop, usage: readUsage(answer.usage) };
}

function readUsage(usage) {
  if (!usage) return undefined;
  const read = usage.prompt_tokens_details?.cached_tokens ?? 0;
  const written = usage.prompt_tokens_details?.cache_write_tokens ?? 0;
  return {
    input: usage.prompt_tokens - read - written,
    read,
    written,
    output: usage.completion_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  };
}

// The provider's end.

function readUserPart(part) {
  if (part.type === 'text') return { text: part.text };
  if (part.type === 'image_url') return { image: fromDataUrl(part.image_url.url) };
  return { file: { data: fromDataUrl(part.file.file_data ?? '').data, name: part.file.filename } };
}

function readAssistant(message) {
  const calls = (message.tool_calls ?? []).map((call) => ({
    id: call.id,
    name: (call.custom ?? call.function).name,
    ...(call.custom ? { input: call.custom.input } : { args: JSON.parse(call.function.arguments) }),
  }));
  return { calls, text: textOf(message.content), thinking: [] };
}

/** A request in no wire's form. */
export function read(body) {
  const request = { system: '', items: [], tools: [], max: body.max_completion_tokens ?? body.max_tokens };
  for (const message of body.messages)
    if (message.role === 'system' || message.role === 'developer') request.system += textOf(message.content);
    else if (message.role === 'assistant') request.items.push(readAssistant(message));
    else if (message.role === 'tool') request.items.push({ result: { id: message.tool_call_id, text: textOf(message.content) } });
    else
      request.items.push({
        user: typeof message.content === 'string' ? [{ text: message.content }] : message.content.map(readUserPart),
      });
  for (const one of body.tools ?? []) {
    const { name: called, description, parameters } = one.function ?? one.custom;
    request.tools.push({ name: called, description, schema: parameters, custom: one.type === 'custom' });
  }
  const format = body.response_format?.json_schema;
  if (format) request.json = { name: format.name, schema: format.schema };
  request.reasoning = body.reasoning_effort;
  return request;
}

/** What the API itself refuses and its schema cannot say. */
export function rules(body) {
  const problems = [];
  const open = new Set();
  for (const message of body.messages) {
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id))
        problems.push(`a tool message answers ${message.tool_call_id}, which nobody called`);
    } else {
      if (open.size > 0) problems.push(`calls without an answer: ${[...open]}`);
      for (const call of message.tool_calls ?? []) open.add(call.id);
    }
    if (message.reasoning_details || message.content_blocks) problems.push('thinking in a form that this API does not know');
  }
  if (open.size > 0) problems.push(`calls without an answer: ${[...open]}`);
  if (body.stream_options && !body.stream) problems.push('stream_options without stream');
  return problems;
}

const usageOf = ({ input, read: cached, written, output, reasoning }) => ({
  prompt_tokens: input + cached + written,
  completion_tokens: output,
  total_tokens: input + cached + written + output,
  prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: reasoning,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
});

/** Free text goes as the client declared the tool: as it is, or as the one argument of a function. */
function callOf({ id, name: called, args, input }, body) {
  const isCustom = (body.tools ?? []).some((one) => one.custom?.name === called);
  if (input !== undefined && isCustom) return { id, type: 'custom', custom: { name: called, input } };
  return { id, type: 'function', function: { name: called, arguments: JSON.stringify(args ?? { input }) } };
}

const all = (answer, kind) => answer.parts.filter((part) => part[kind] !== undefined).map((part) => part[kind]);

/** The whole answer of a provider. */
export function answer(made, body, id) {
  const calls = all(made, 'call').map((call) => callOf(call, body));
  const message = {
    role: 'assistant',
    content: all(made, 'text').join('') || null,
    refusal: all(made, 'refusal')[0] ?? null,
    annotations: [],
  };
  if (calls.length > 0) message.tool_calls = calls;
  const thinking = all(made, 'thinking').join('');
  if (thinking) message.reasoning_content = thinking;
  const choice = { index: 0, message, logprobs: null, finish_reason: FINISH[made.stop] };
  return {
    id: `chatcmpl-${id}`,
    object: 'chat.completion',
    created: CREATED,
    model: body.model,
    choices: [choice],
    usage: usageOf(made.usage),
    service_tier: 'default',
  };
}

/** The same as frames. The arguments of parallel calls interleave. */
export function* frames(made, body, id) {
  const chunk = (choices, more) => ({
    id: `chatcmpl-${id}`,
    object: 'chat.completion.chunk',
    created: CREATED,
    model: body.model,
    choices,
    ...(body.stream_options?.include_usage && { usage: null }),
    ...more,
  });
  const delta = (one, finish = null) => unnamed(chunk([{ index: 0, delta: one, logprobs: null, finish_reason: finish }]));
  yield delta({ role: 'assistant', content: '', refusal: null });
  for (const [kind, member] of [
    ['thinking', 'reasoning_content'],
    ['text', 'content'],
    ['refusal', 'refusal'],
  ])
    for (const text of all(made, kind)) for (const piece of pieces(text)) yield delta({ [member]: piece });
  const calls = all(made, 'call').map((call) => callOf(call, body));
  for (const [index, call] of calls.entries()) {
    const begun = call.custom
      ? { custom: { name: call.custom.name, input: '' } }
      : { function: { name: call.function.name, arguments: '' } };
    yield delta({ tool_calls: [{ index, id: call.id, type: call.type, ...begun }] });
  }
  const cut = calls.map((call) => pieces(call.custom?.input ?? call.function.arguments, 4));
  for (let turn = 0; cut.some((one) => turn < one.length); turn += 1)
    for (const [index, call] of calls.entries())
      if (turn < cut[index].length)
        yield delta({
          tool_calls: [
            { index, ...(call.custom ? { custom: { input: cut[index][turn] } } : { function: { arguments: cut[index][turn] } }) },
          ],
        });
  yield delta({}, FINISH[made.stop]);
  if (body.stream_options?.include_usage) yield unnamed(chunk([], { usage: usageOf(made.usage) }));
  yield unnamed('[DONE]');
}

export const errorBody = ({ type, code, message }) => ({ error: { message, type, param: null, code: code ?? null } });
/** What a provider says when it fails in the middle of a stream. */
export const failure = (error) => unnamed(errorBody(error));
