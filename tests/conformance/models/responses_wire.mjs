// OpenAI's responses, from both ends. The forms that belong to no wire are described in chat_wire.mjs.

import { named, pieces } from './sse.mjs';

export const name = 'responses';
export const path = '/v1/responses';
const CREATED = 1790000000;

const dataUrl = ({ data, type }) => `data:${type};base64,${data}`;
const fromDataUrl = (url) => {
  const [, type, data] = url.match(/^data:([^;]+);base64,(.*)$/s) ?? [];
  return type ? { data, type } : { url };
};
const textOf = (content) => (typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join(''));

// The client's end.

const userPart = (part) => {
  if (part.text !== undefined) return { type: 'input_text', text: part.text };
  if (part.file)
    return { type: 'input_file', filename: part.file.name, file_data: dataUrl({ ...part.file, type: 'application/pdf' }) };
  return { type: 'input_image', image_url: part.image.url ?? dataUrl(part.image), detail: 'auto' };
};

const tool = ({ name: called, description, schema, custom }) =>
  custom
    ? { type: 'custom', name: called, description }
    : { type: 'function', name: called, description, parameters: schema, strict: false };

export function ask(request, model) {
  const input = request.items.map(({ user }) => ({
    role: 'user',
    content: user.length === 1 ? user[0].text : user.map(userPart),
  }));
  return {
    model,
    input,
    max_output_tokens: request.max,
    store: false,
    ...(request.system && { instructions: request.system }),
    ...(request.tools && { tools: request.tools.map(tool) }),
    ...(request.json && {
      text: { format: { type: 'json_schema', name: request.json.name, schema: request.json.schema, strict: true } },
    }),
    ...(request.reasoning && {
      reasoning: { effort: request.reasoning, summary: 'auto' },
      include: ['reasoning.encrypted_content'],
    }),
  };
}

export function follow(body, answer, results) {
  const custom = new Set(answer.output.filter((item) => item.type === 'custom_tool_call').map((item) => item.call_id));
  const told = results.map(({ id, text }) => ({
    type: custom.has(id) ? 'custom_tool_call_output' : 'function_call_output',
    call_id: id,
    output: text,
  }));
  return { ...body, input: [...body.input, ...answer.output, ...told] };
}

export function readAnswer(answer) {
  const parts = [];
  for (const item of answer.output)
    if (item.type === 'reasoning') {
      const thinking = [...(item.content ?? []), ...item.summary].map((part) => part.text).join('');
      parts.push({ thinking, ...(item.encrypted_content && { signature: item.encrypted_content }) });
    } else if (item.type === 'function_call')
      parts.push({ call: { id: item.call_id, name: item.name, args: JSON.parse(item.arguments) } });
    else if (item.type === 'custom_tool_call') parts.push({ call: { id: item.call_id, name: item.name, input: item.input } });
    else if (item.type === 'message')
      for (const part of item.content) parts.push(part.type === 'refusal' ? { refusal: part.refusal } : { text: part.text });
    else throw new Error(`an item that nobody asked for: ${item.type}`);
  const { usage } = answer;
  const { cached_tokens: cached = 0, cache_write_tokens: written = 0 } = usage?.input_tokens_details ?? {};
  return {
    parts,
    stop: stopOf(answer, parts),
    usage: usage && {
      input: usage.input_tokens - cached - written,
      read: cached,
      written,
      output: usage.output_tokens,
      reasoning: usage.output_tokens_details.reasoning_tokens,
    },
  };
}

function stopOf({ status, incomplete_details: why }, parts) {
  if (parts.some((part) => part.refusal !== undefined)) return 'refusal';
  if (status === 'incomplete') return why?.reason === 'content_filter' ? 'refusal' : 'limit';
  if (status !== 'completed') return status;
  return parts.some((part) => part.call) ? 'tools' : 'done';
}

// The provider's end.

function readContent(part) {
  if (part.type === 'input_text' || part.type === 'output_text') return { text: part.text };
  if (part.type === 'input_image') return { image: fromDataUrl(part.image_url) };
  return { file: { data: fromDataUrl(part.file_data ?? '').data, name: part.filename } };
}

/** One turn of the assistant is many items here. */
function assistantAt(items) {
  const last = items.at(-1);
  if (last?.calls) return last;
  items.push({ calls: [], text: '', thinking: [] });
  return items.at(-1);
}

function readItem(item, request) {
  const { items } = request;
  if (item.type === 'function_call')
    assistantAt(items).calls.push({ id: item.call_id, name: item.name, args: JSON.parse(item.arguments) });
  else if (item.type === 'custom_tool_call')
    assistantAt(items).calls.push({ id: item.call_id, name: item.name, input: item.input });
  else if (item.type === 'reasoning') assistantAt(items).thinking.push(item.encrypted_content);
  else if (/_call_output$/.test(item.type)) items.push({ result: { id: item.call_id, text: textOf(item.output) } });
  else if (item.role === 'assistant') assistantAt(items).text += textOf(item.content);
  else if (item.role === 'system' || item.role === 'developer') request.system += textOf(item.content);
  else items.push({ user: typeof item.content === 'string' ? [{ text: item.content }] : item.content.map(readContent) });
}

export function read(body) {
  const request = { system: body.instructions ?? '', items: [], tools: [], max: body.max_output_tokens };
  const input = typeof body.input === 'string' ? [{ role: 'user', content: body.input }] : body.input;
  for (const item of input) readItem(item, request);
  for (const one of body.tools ?? [])
    request.tools.push({ name: one.name, description: one.description, schema: one.parameters, custom: one.type === 'custom' });
  const format = body.text?.format;
  if (format?.type === 'json_schema') request.json = { name: format.name, schema: format.schema };
  request.reasoning = body.reasoning?.effort ?? (body.reasoning ? 'medium' : undefined);
  return request;
}

export function rules(body) {
  const problems = [];
  const called = new Map();
  for (const item of typeof body.input === 'string' ? [] : body.input) {
    if (/^(function|custom_tool)_call$/.test(item.type)) called.set(item.call_id, item.type);
    if (/_call_output$/.test(item.type)) {
      if (`${called.get(item.call_id)}_output` !== item.type)
        problems.push(`${item.type} answers ${item.call_id}, which nobody called so`);
      called.delete(item.call_id);
    }
    if (item.role === 'assistant' && Array.isArray(item.content) && item.content.some((part) => /^input/.test(part.type)))
      problems.push('the assistant says what only a user can');
    if (item.role === 'user' && Array.isArray(item.content) && item.content.some((part) => /^output/.test(part.type)))
      problems.push('the user says what only the assistant can');
  }
  if (called.size > 0) problems.push(`calls without an answer: ${[...called.keys()]}`);
  if (body.max_output_tokens !== undefined && body.max_output_tokens !== null && body.max_output_tokens < 16)
    problems.push('max_output_tokens below 16');
  return problems;
}

const usageOf = ({ input, read: cached, written, output, reasoning }) => ({
  input_tokens: input + cached + written,
  input_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: reasoning },
  total_tokens: input + cached + written + output,
});

const textPart = (text) => ({ type: 'output_text', text, annotations: [], logprobs: [] });

function itemsOf(made, body, id) {
  const items = [];
  const custom = new Set((body.tools ?? []).filter((one) => one.type === 'custom').map((one) => one.name));
  for (const [at, part] of made.parts.entries()) {
    const status = made.stop === 'limit' && at === made.parts.length - 1 ? 'incomplete' : 'completed';
    if (part.thinking !== undefined)
      items.push({
        id: `rs_${id}_${at}`,
        type: 'reasoning',
        summary: [{ type: 'summary_text', text: part.thinking }],
        encrypted_content: part.signature,
      });
    else if (part.call === undefined) {
      const content = [part.refusal === undefined ? textPart(part.text) : { type: 'refusal', refusal: part.refusal }];
      items.push({ id: `msg_${id}_${at}`, type: 'message', status, role: 'assistant', content });
    } else if (part.call.input !== undefined && custom.has(part.call.name))
      items.push({
        id: `ctc_${id}_${at}`,
        type: 'custom_tool_call',
        call_id: part.call.id,
        name: part.call.name,
        input: part.call.input,
      });
    else {
      const { id: callId, name: called, args, input } = part.call;
      items.push({
        id: `fc_${id}_${at}`,
        type: 'function_call',
        status,
        call_id: callId,
        name: called,
        arguments: JSON.stringify(args ?? { input }),
      });
    }
  }
  return items;
}

function responseOf(body, id, more) {
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: CREATED,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: null,
    model: body.model,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    prompt_cache_key: null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: body.reasoning?.summary ?? null },
    safety_identifier: null,
    service_tier: 'default',
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: { format: body.text?.format ?? { type: 'text' }, verbosity: 'medium' },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_logprobs: 0,
    top_p: body.top_p ?? 1,
    truncation: 'disabled',
    metadata: body.metadata ?? {},
    ...more,
  };
}

const ended = (made, items) =>
  made.stop === 'limit'
    ? {
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
        completed_at: null,
        output: items,
        usage: usageOf(made.usage),
      }
    : { status: 'completed', completed_at: CREATED + 2, output: items, usage: usageOf(made.usage) };

export function answer(made, body, id) {
  return responseOf(body, id, ended(made, itemsOf(made, body, id)));
}

function* itemEvents(item, at) {
  const place = { item_id: item.id, output_index: at };
  const open = {
    reasoning: { summary: [], encrypted_content: '' },
    message: { content: [], status: 'in_progress' },
    function_call: { arguments: '', status: 'in_progress' },
    custom_tool_call: { input: '' },
  };
  yield { type: 'response.output_item.added', output_index: at, item: { ...item, ...open[item.type] } };
  if (item.type === 'reasoning')
    for (const [index, part] of item.summary.entries()) {
      const inside = { ...place, summary_index: index };
      yield { type: 'response.reasoning_summary_part.added', ...inside, part: { type: 'summary_text', text: '' } };
      for (const delta of pieces(part.text)) yield { type: 'response.reasoning_summary_text.delta', ...inside, delta };
      yield { type: 'response.reasoning_summary_text.done', ...inside, text: part.text };
      yield { type: 'response.reasoning_summary_part.done', ...inside, part };
    }
  if (item.type === 'message')
    for (const [index, part] of item.content.entries()) {
      const inside = { ...place, content_index: index };
      const refused = part.type === 'refusal';
      yield { type: 'response.content_part.added', ...inside, part: refused ? { ...part, refusal: '' } : { ...part, text: '' } };
      for (const delta of pieces(refused ? part.refusal : part.text))
        yield refused
          ? { type: 'response.refusal.delta', ...inside, delta }
          : { type: 'response.output_text.delta', ...inside, delta, logprobs: [] };
      yield refused
        ? { type: 'response.refusal.done', ...inside, refusal: part.refusal }
        : { type: 'response.output_text.done', ...inside, text: part.text, logprobs: [] };
      yield { type: 'response.content_part.done', ...inside, part };
    }
  if (item.type === 'function_call') {
    for (const delta of pieces(item.arguments)) yield { type: 'response.function_call_arguments.delta', ...place, delta };
    yield { type: 'response.function_call_arguments.done', ...place, name: item.name, arguments: item.arguments };
  }
  if (item.type === 'custom_tool_call') {
    for (const delta of pieces(item.input)) yield { type: 'response.custom_tool_call_input.delta', ...place, delta };
    yield { type: 'response.custom_tool_call_input.done', ...place, input: item.input };
  }
  yield { type: 'response.output_item.done', output_index: at, item };
}

export function* frames(made, body, id) {
  let sequence = 0;
  const event = (one) => named({ ...one, sequence_number: sequence++ });
  const items = itemsOf(made, body, id);
  const begun = responseOf(body, id, { status: 'in_progress', completed_at: null, output: [], usage: null });
  yield event({ type: 'response.created', response: begun });
  yield event({ type: 'response.in_progress', response: begun });
  for (const [at, item] of items.entries()) for (const one of itemEvents(item, at)) yield event(one);
  const end = ended(made, items);
  yield event({ type: `response.${end.status}`, response: responseOf(body, id, end) });
}

export const errorBody = ({ type, code, message }) => ({ error: { message, type, param: null, code: code ?? null } });
export const failure = ({ code, message }, sequence = 99) =>
  named({ type: 'error', code: code ?? null, message, param: null, sequence_number: sequence });
