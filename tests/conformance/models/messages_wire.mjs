// Anthropic's messages, from both ends. The forms that belong to no wire are described in chat_wire.mjs.

import { named, pieces } from './sse.mjs';

export const name = 'messages';
export const path = '/v1/messages';
const STOP = { done: 'end_turn', tools: 'tool_use', limit: 'max_tokens', refusal: 'refusal' };
const TOOL_ID = /^[a-zA-Z0-9_-]+$/;

const textOf = (content) => (typeof content === 'string' ? content : (content ?? []).map((block) => block.text ?? '').join(''));
const blocks = (content) => (typeof content === 'string' ? [{ type: 'text', text: content }] : content);

// The client's end.

const userPart = (part) => {
  if (part.text !== undefined) return { type: 'text', text: part.text };
  if (part.file)
    return {
      type: 'document',
      title: part.file.name,
      source: { type: 'base64', media_type: 'application/pdf', data: part.file.data },
    };
  const { url, data, type } = part.image;
  return { type: 'image', source: url ? { type: 'url', url } : { type: 'base64', media_type: type, data } };
};

/** What has no free-text tools writes them as tools with one argument. */
const tool = ({ name: called, description, schema, custom }) => ({
  name: called,
  description,
  input_schema: custom ? { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] } : schema,
});

export function ask(request, model) {
  return {
    model,
    max_tokens: request.max,
    ...(request.system && { system: request.system }),
    messages: request.items.map(({ user }) => ({ role: 'user', content: user.length === 1 ? user[0].text : user.map(userPart) })),
    ...(request.tools && { tools: request.tools.map(tool) }),
    ...(request.json && { output_config: { format: { type: 'json_schema', schema: request.json.schema } } }),
    ...(request.reasoning && { thinking: { type: 'enabled', budget_tokens: 2048 } }),
  };
}

export function follow(body, answer, results) {
  const told = results.map(({ id, text }) => ({ type: 'tool_result', tool_use_id: id, content: text }));
  return {
    ...body,
    messages: [...body.messages, { role: 'assistant', content: answer.content }, { role: 'user', content: told }],
  };
}

export function readAnswer(answer) {
  const parts = [];
  for (const block of answer.content)
    if (block.type === 'thinking') parts.push({ thinking: block.thinking, signature: block.signature });
    else if (block.type === 'text') parts.push({ text: block.text });
    else if (block.type === 'tool_use') parts.push({ call: { id: block.id, name: block.name, args: block.input } });
    else throw new Error(`a block that nobody asked for: ${block.type}`);
  const stop = Object.keys(STOP).find((one) => STOP[one] === answer.stop_reason);
  if (answer.stop_details?.explanation) parts.push({ refusal: answer.stop_details.explanation });
  const { usage } = answer;
  return {
    parts,
    stop,
    usage: {
      input: usage.input_tokens,
      read: usage.cache_read_input_tokens ?? 0,
      written: usage.cache_creation_input_tokens ?? 0,
      output: usage.output_tokens,
      reasoning: usage.output_tokens_details?.thinking_tokens ?? 0,
    },
  };
}

// The provider's end.

function readUserPart(block) {
  if (block.type === 'text') return { text: block.text };
  const { type, url, data, media_type: mediaType } = block.source;
  if (block.type === 'document') return { file: { data, name: block.title ?? undefined } };
  return { image: type === 'url' ? { url } : { data, type: mediaType } };
}

function readAssistant(content) {
  const item = { calls: [], text: '', thinking: [] };
  for (const block of blocks(content))
    if (block.type === 'tool_use') item.calls.push({ id: block.id, name: block.name, args: block.input });
    else if (block.type === 'thinking') item.thinking.push(block.signature);
    else item.text += block.text ?? '';
  return item;
}

export function read(body) {
  const request = { system: textOf(body.system), items: [], tools: [], max: body.max_tokens };
  for (const { role, content } of body.messages)
    if (role === 'assistant') request.items.push(readAssistant(content));
    else if (role === 'system') request.system += textOf(content);
    else {
      const told = blocks(content);
      for (const block of told.filter((one) => one.type === 'tool_result'))
        request.items.push({ result: { id: block.tool_use_id, text: textOf(block.content) } });
      const user = told.filter((one) => one.type !== 'tool_result').map(readUserPart);
      if (user.length > 0) request.items.push({ user });
    }
  for (const one of body.tools ?? [])
    request.tools.push({ name: one.name, description: one.description, schema: one.input_schema });
  if (body.output_config?.format) request.json = { schema: body.output_config.format.schema };
  const thinks = body.thinking && body.thinking.type !== 'disabled';
  request.reasoning = thinks ? (body.output_config?.effort ?? 'medium') : undefined;
  return request;
}

function turnRules(messages) {
  const problems = [];
  if (messages[0]?.role !== 'user') problems.push('the first message is not of the user');
  let open = [];
  for (const { role, content } of messages) {
    const told = blocks(content);
    if (role === 'user') {
      const results = told.filter((block) => block.type === 'tool_result').map((block) => block.tool_use_id);
      if (told.slice(0, results.length).some((block) => block.type !== 'tool_result'))
        problems.push('tool_result after other content');
      for (const id of open) if (!results.includes(id)) problems.push(`tool_use ${id} without a tool_result right after it`);
      for (const id of results) if (!open.includes(id)) problems.push(`a tool_result answers ${id}, which nobody called`);
    } else if (open.length > 0) problems.push(`tool_use ${open} without a tool_result right after it`);
    open = role === 'assistant' ? told.filter((block) => block.type === 'tool_use').map((block) => block.id) : [];
    for (const id of open) if (!TOOL_ID.test(id)) problems.push(`an id that is refused: ${id}`);
    for (const block of told) if (block.type === 'text' && block.text === '') problems.push('an empty text block');
  }
  if (open.length > 0) problems.push(`tool_use ${open} without a tool_result`);
  return problems;
}

export function rules(body, headers) {
  const problems = turnRules(body.messages);
  const sampling = ['temperature', 'top_p', 'top_k'].filter((member) => body[member] !== undefined);
  if (headers['anthropic-version'] >= '2026-10-21' && sampling.length > 0) problems.push(`${sampling} under version 2026-10-21`);
  if (body.thinking?.type === 'enabled') {
    if (!(body.thinking.budget_tokens >= 1024 && body.thinking.budget_tokens < body.max_tokens))
      problems.push('the budget of thinking is out of bounds');
    if (['any', 'tool'].includes(body.tool_choice?.type)) problems.push('thinking with a forced tool');
    if (body.temperature !== undefined && body.temperature !== 1) problems.push('thinking with a temperature');
    const last = body.messages.findLast((message) => message.role === 'assistant');
    if (last && blocks(last.content).some((block) => block.type === 'tool_use') && !/thinking/.test(blocks(last.content)[0].type))
      problems.push('thinking is enabled, and the last turn of the assistant does not begin with it');
  }
  return problems;
}

const usageOf = ({ input, read: cached, written, output, reasoning }) => ({
  input_tokens: input,
  cache_read_input_tokens: cached,
  cache_creation_input_tokens: written,
  cache_creation: { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 },
  output_tokens: output,
  output_tokens_details: { thinking_tokens: reasoning },
  server_tool_use: null,
  service_tier: 'standard',
  inference_geo: null,
  speed: null,
});

function blockOf(part) {
  if (part.thinking !== undefined) return { type: 'thinking', thinking: part.thinking, signature: part.signature };
  if (part.text !== undefined) return { type: 'text', text: part.text, citations: null };
  const { id, name: called, args, input } = part.call;
  return { type: 'tool_use', id, name: called, input: args ?? { input }, caller: { type: 'direct' } };
}

const refusalOf = (made) => made.parts.find((part) => part.refusal)?.refusal;
const detailsOf = (made) =>
  made.stop === 'refusal' ? { type: 'refusal', category: 'general_harms', explanation: refusalOf(made) ?? null } : null;

export function answer(made, body, id) {
  return {
    id: `msg_${id}`,
    type: 'message',
    role: 'assistant',
    model: body.model,
    content: made.parts.filter((part) => part.refusal === undefined).map(blockOf),
    stop_reason: STOP[made.stop],
    stop_sequence: null,
    stop_details: detailsOf(made),
    container: null,
    diagnostics: null,
    usage: usageOf(made.usage),
  };
}

export function* frames(made, body, id) {
  const whole = answer(made, body, id);
  const before = { ...whole.usage, output_tokens: 1, output_tokens_details: { thinking_tokens: 0 } };
  yield named({
    type: 'message_start',
    message: { ...whole, content: [], stop_reason: null, stop_details: null, usage: before },
  });
  yield named({ type: 'ping' });
  for (const [index, block] of whole.content.entries()) {
    const [member, type] = {
      thinking: ['thinking', 'thinking_delta'],
      text: ['text', 'text_delta'],
      tool_use: ['partial_json', 'input_json_delta'],
    }[block.type];
    const empty = { thinking: { thinking: '', signature: '' }, text: { text: '' }, tool_use: { input: {} } }[block.type];
    yield named({ type: 'content_block_start', index, content_block: { ...block, ...empty } });
    const text = block.type === 'tool_use' ? JSON.stringify(block.input) : block[member];
    for (const piece of pieces(text)) yield named({ type: 'content_block_delta', index, delta: { type, [member]: piece } });
    if (block.type === 'thinking')
      yield named({ type: 'content_block_delta', index, delta: { type: 'signature_delta', signature: block.signature } });
    yield named({ type: 'content_block_stop', index });
  }
  const { cache_creation: _, inference_geo: __, service_tier: ___, speed: ____, ...usage } = whole.usage;
  const delta = { stop_reason: whole.stop_reason, stop_sequence: null, stop_details: whole.stop_details, container: null };
  yield named({ type: 'message_delta', delta, usage });
  yield named({ type: 'message_stop' });
}

export const errorBody = ({ type, message }) => ({ type: 'error', error: { type, message }, request_id: 'req_fake' });
export const failure = (error) => named(errorBody(error));
