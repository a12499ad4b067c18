// The official SDKs, with nothing changed but the base URL and the key; and beside what they make of an answer, the bytes that came.

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

/** A fetch that keeps a copy of what comes back. Resolves `last.text` once the body has been read. */
export function recordingFetch() {
  const calls = [];
  const recorded = async (url, init) => {
    const answer = await fetch(url, init);
    const call = { url: String(url), status: answer.status, headers: answer.headers };
    calls.push(call);
    if (!answer.body) {
      call.text = Promise.resolve('');
      return answer;
    }
    const [kept, given] = answer.body.tee();
    call.text = new Response(kept).text().catch((problem) => `broken off: ${problem.message}`);
    return new Response(given, { status: answer.status, headers: answer.headers });
  };
  return { fetch: recorded, calls };
}

const withoutHelpers = (value) =>
  JSON.parse(
    JSON.stringify(value, (key, one) =>
      ['parsed', 'parsed_arguments', 'output_parsed', 'output_text'].includes(key) ? undefined : one,
    ),
  );

/** `base`: of the gateway, without a path. Options go to the SDK. */
export function openai({ base, key, ...options }) {
  return new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0, ...options });
}
export function anthropic({ base, key, ...options }) {
  return new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0, ...options });
}

const CALLS = {
  chat: async (client, body, stream) => {
    if (!stream) return client.chat.completions.create(body);
    return client.chat.completions
      .stream({ ...body, stream: true, stream_options: { include_usage: true } })
      .finalChatCompletion();
  },
  responses: async (client, body, stream) => {
    if (!stream) return client.responses.create(body);
    return client.responses.stream({ ...body, stream: true }).finalResponse();
  },
  messages: async (client, body, stream) => {
    if (!stream) return client.messages.create(body);
    return client.messages.stream(body).finalMessage();
  },
};

/** One call by the SDK of the wire. Resolves to {status, headers, text: the bytes, answer or problem: what the SDK threw}. */
export async function call(wire, { base, key }, body, stream) {
  const { fetch: recorded, calls } = recordingFetch();
  const client = (wire === 'messages' ? anthropic : openai)({ base, key, fetch: recorded });
  const result = {};
  try {
    result.answer = withoutHelpers(await CALLS[wire](client, body, stream));
  } catch (problem) {
    result.problem = problem;
  }
  const { status, headers, text } = calls.at(-1) ?? {};
  return { ...result, status, headers, text: await text };
}
