// What a client got, held to the description of its wire.

import { readJsonEvents } from './sse.mjs';
import { chatStream, messagesStream, responsesStream } from './streams.mjs';

/** check(schema, value) -> [problem]; eventSchema(type of an event of the Responses API) -> its schema. */
export function answerChecks({ check, eventSchema }) {
  const WHOLE = { chat: 'CreateChatCompletionResponse', responses: 'Response', messages: 'Message' };
  const ORDER = { chat: chatStream, responses: responsesStream, messages: messagesStream };
  const ofEvent = {
    chat: () => 'CreateChatCompletionStreamResponse',
    responses: (json) => eventSchema(json.type),
    messages: (json) => (json.type === 'ping' ? undefined : 'RawMessageStreamEvent'),
  };

  function stream(wire, text, { wantsUsage = true } = {}) {
    const { events, problems } = readJsonEvents(text);
    if (problems.length > 0) return problems;
    for (const { json } of events) {
      if (!json) continue;
      const schema = ofEvent[wire](json);
      if (schema) problems.push(...check(schema, json).map((problem) => `${json.type ?? 'chunk'}: ${problem}`));
      else if (json.type !== 'ping') problems.push(`no such event: ${json.type}`);
    }
    return [...problems, ...ORDER[wire](events, { wantsUsage })];
  }

  function error(wire, json) {
    if (wire !== 'messages') return check('ErrorResponse', json);
    const fits = json?.type === 'error' && typeof json.error?.type === 'string' && typeof json.error?.message === 'string';
    return fits ? [] : [`no error of this wire: ${JSON.stringify(json).slice(0, 200)}`];
  }

  return { stream, error, whole: (wire, json) => check(WHOLE[wire], json) };
}

/** What the SDKs do not put together, because no description has it: thinking on the chat wire. */
export function withThinking(wire, answer, text) {
  if (wire !== 'chat') return answer;
  const deltas = readJsonEvents(text)
    .events.flatMap((one) => one.json?.choices ?? [])
    .map((one) => one.delta ?? {});
  const thinking = deltas.map((one) => one.reasoning_content ?? '').join('');
  const details = deltas.flatMap((one) => one.reasoning_details ?? []);
  const [choice] = answer.choices;
  const { reasoning_content: _, reasoning_details: __, content_blocks: ___, ...message } = choice.message;
  if (thinking) message.reasoning_content = thinking;
  if (details.length > 0) message.reasoning_details = details;
  return { ...answer, choices: [{ ...choice, message }] };
}
