// What holds a stream together beyond the schema of each event: order, indexes, ids, and that the end says what the deltas said.

const isDeep = (one, other) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, sorted(value[key])]),
  );
}

/** events as readJsonEvents gives them; `wantsUsage`: whether the client asked for the chunk with the usage. */
export function chatStream(events, { wantsUsage }) {
  const problems = [];
  const chunks = events.slice(0, -1).map((one) => one.json);
  if (events.at(-1)?.data !== '[DONE]') problems.push('the last event is not [DONE]');
  if (events.some((one) => one.event !== undefined)) problems.push('an event with a name');
  if (chunks.some((one) => one === undefined)) return [...problems, '[DONE] before the end'];
  for (const member of ['id', 'model', 'created'])
    if (new Set(chunks.map((one) => one[member])).size > 1) problems.push(`${member} changes`);
  const choices = chunks.flatMap((one) => one.choices);
  if (choices[0]?.delta.role !== 'assistant') problems.push('the first delta does not name the role');
  if (choices.filter((one) => one.delta.role).length > 1) problems.push('the role is named again');
  const ends = choices.filter((one) => one.finish_reason);
  if (ends.length !== 1 || choices.at(-1).finish_reason === null)
    problems.push(`${ends.length} finish reasons, or a delta after it`);
  const counted = chunks.filter((one) => one.usage);
  if (wantsUsage && !(counted.length === 1 && counted[0] === chunks.at(-1) && counted[0].choices.length === 0))
    problems.push('the usage is not in one last chunk without choices');
  if (!wantsUsage && (counted.length > 0 || chunks.some((one) => one.choices.length === 0)))
    problems.push('a usage that nobody asked for');
  const calls = [];
  for (const delta of choices.flatMap((one) => one.delta.tool_calls ?? [])) {
    const begins = calls[delta.index] === undefined;
    if (begins && delta.index !== calls.length) problems.push(`call ${delta.index} begins before call ${calls.length}`);
    if (begins !== (delta.id !== undefined))
      problems.push(`call ${delta.index}: an id ${begins ? 'is missing where it begins' : 'in the middle'}`);
    if (begins && !(delta.type && (delta.function?.name || delta.custom?.name)))
      problems.push(`call ${delta.index} begins without type or name`);
    calls[delta.index] ??= { text: '', function: delta.type !== 'custom' };
    calls[delta.index].text += delta.function?.arguments ?? delta.custom?.input ?? '';
  }
  for (const [index, call] of calls.entries())
    if (call?.function && !isObject(call.text)) problems.push(`call ${index}: arguments ${call.text}`);
  return problems;
}

function isObject(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value);
  } catch {
    return false;
  }
}

export function messagesStream(events) {
  const problems = [];
  for (const one of events) if (one.event !== one.json?.type) problems.push(`event ${one.event} holds ${one.json?.type}`);
  const told = events.map((one) => one.json ?? {}).filter((one) => one.type !== 'ping');
  if (told[0]?.type !== 'message_start' || told[0].message.content.length > 0 || told[0].message.stop_reason !== null)
    problems.push('message_start is not first, or not empty');
  if (told[0]?.message?.usage?.cache_read_input_tokens === undefined)
    problems.push('message_start without the usage of the cache');
  if (told.at(-1)?.type !== 'message_stop' || told.at(-2)?.type !== 'message_delta')
    problems.push('the end is not message_delta, message_stop');
  if (told.filter((one) => one.type === 'message_delta').length !== 1) problems.push('not one message_delta');
  let open;
  let next = 0;
  const wanted = {
    text: ['text_delta', 'citations_delta'],
    thinking: ['thinking_delta', 'signature_delta'],
    tool_use: ['input_json_delta'],
  };
  for (const one of told.slice(1, -2)) {
    if (one.type === 'content_block_start') {
      if (open) problems.push(`block ${one.index} begins in block ${open.index}`);
      if (one.index !== next) problems.push(`block ${one.index} where ${next} was due`);
      next += 1;
      open = { index: one.index, block: one.content_block, json: '', signed: false };
      if ((one.content_block.text ?? one.content_block.thinking ?? '') !== '')
        problems.push(`block ${one.index} begins with text`);
      if (one.content_block.type === 'tool_use' && Object.keys(one.content_block.input).length > 0)
        problems.push(`block ${one.index} begins with input`);
    } else if (!open || one.index !== open.index) problems.push(`${one.type} for block ${one.index}, which is not open`);
    else if (one.type === 'content_block_stop') {
      if (open.block.type === 'tool_use' && open.json !== '' && !isObject(open.json))
        problems.push(`block ${one.index}: input ${open.json}`);
      open = undefined;
    } else {
      if (!wanted[open.block.type]?.includes(one.delta.type)) problems.push(`${one.delta.type} in a block of ${open.block.type}`);
      if (open.signed) problems.push('a delta after the signature');
      open.json += one.delta.partial_json ?? '';
      open.signed = one.delta.type === 'signature_delta';
    }
  }
  if (open) problems.push(`block ${open.index} is never closed`);
  return problems;
}

const DELTAS = {
  'response.output_text.delta': ['response.output_text.done', 'text'],
  'response.refusal.delta': ['response.refusal.done', 'refusal'],
  'response.reasoning_summary_text.delta': ['response.reasoning_summary_text.done', 'text'],
  'response.reasoning_text.delta': ['response.reasoning_text.done', 'text'],
  'response.function_call_arguments.delta': ['response.function_call_arguments.done', 'arguments'],
  'response.custom_tool_call_input.delta': ['response.custom_tool_call_input.done', 'input'],
};
const ENDS = ['response.completed', 'response.incomplete', 'response.failed'];

function checkDeltas(told, problems) {
  const key = (one) => `${one.item_id} ${one.content_index ?? one.summary_index ?? ''}`;
  for (const [type, [done, member]] of Object.entries(DELTAS)) {
    const sums = new Map();
    for (const one of told)
      if (one.type === type) sums.set(key(one), (sums.get(key(one)) ?? '') + one.delta);
      else if (one.type === done) {
        if ((sums.get(key(one)) ?? '') !== one[member] && sums.has(key(one)))
          problems.push(`${done} does not say what its deltas said`);
        sums.delete(key(one));
      }
    if (sums.size > 0) problems.push(`${type} without ${done}`);
  }
}

function checkItems(told, problems) {
  const items = [];
  const parts = new Set();
  for (const one of told) {
    const part = `${one.item_id} ${one.content_index ?? one.summary_index}`;
    if (one.type === 'response.output_item.added') {
      if (one.output_index !== items.length) problems.push(`item ${one.output_index} where ${items.length} was due`);
      items[one.output_index] = { id: one.item.id, type: one.item.type };
    } else if (one.type === 'response.output_item.done') {
      const item = items[one.output_index];
      if (!item || item.done || item.id !== one.item.id || item.type !== one.item.type)
        problems.push(`item ${one.output_index} ends and is not open`);
      else item.done = one.item;
    } else if (one.output_index !== undefined) {
      const item = items[one.output_index];
      if (!item || item.done || (item.id ?? one.item_id) !== one.item_id)
        problems.push(`${one.type} for item ${one.output_index}, which is not open`);
      if (/part\.added$/.test(one.type)) parts.add(part);
      else if (/(output_text|refusal|summary_text|reasoning_text)\./.test(one.type) && !parts.has(part))
        problems.push(`${one.type} for a part that is not open`);
      if (/part\.done$/.test(one.type) && !parts.delete(part)) problems.push('a part ends that is not open');
    }
  }
  if (parts.size > 0) problems.push('a part never ends');
  return items;
}

export function responsesStream(events) {
  const problems = [];
  for (const one of events) if (one.event !== one.json?.type) problems.push(`event ${one.event} holds ${one.json?.type}`);
  const told = events.map((one) => one.json ?? {});
  told.forEach((one, at) => one.sequence_number !== at && problems.push(`sequence_number ${one.sequence_number} at place ${at}`));
  if (told[0]?.type !== 'response.created' || told[1]?.type !== 'response.in_progress')
    problems.push('it does not begin with created, in_progress');
  const end = told.at(-1);
  if (!ENDS.includes(end?.type)) return [...problems, `the last event is ${end?.type}`];
  if (told.filter((one) => ENDS.includes(one.type)).length > 1) problems.push('it ends twice');
  if (new Set(told.filter((one) => one.response).map((one) => one.response.id)).size !== 1)
    problems.push('the id of the response changes');
  checkDeltas(told, problems);
  const items = checkItems(told, problems);
  if (items.some((item) => !item.done)) problems.push('an item never ends');
  if (new Set(items.map((item) => item.id)).size !== items.length) problems.push('two items have one id');
  if (
    !isDeep(
      end.response.output,
      items.map((item) => item.done),
    )
  )
    problems.push('the response at the end does not hold the items as they ended');
  if (!end.response.usage) problems.push('the response at the end has no usage');
  return problems;
}
