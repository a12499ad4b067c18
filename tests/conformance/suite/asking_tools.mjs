// The tools that ask the client something before they answer. They are written once: towards 2026-07-28 a question travels in
// an input_required result, towards 2025-11-25 the SDK turns it into a request of its own.

import { inputRequired, inputResponse } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { text } from './media.mjs';

const object = (properties, required) => ({ type: 'object', properties, ...(required ? { required } : {}) });
const word = { type: 'string' };

const form = (message, properties, required = Object.keys(properties)) =>
  inputRequired.elicit({ message, requestedSchema: object(properties, required) });
const sampling = (prompt, maxTokens = 100) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: text(prompt) }], maxTokens });

const NAME = () => form('What is your name?', { name: word });

/** One answer in words. */
function spoken(response) {
  if (response.kind === 'elicit') return `action=${response.action}, content=${JSON.stringify(response.content ?? {})}`;
  if (response.kind === 'sampling') return response.result.content.text ?? JSON.stringify(response.result.content);
  return response.roots.map((root) => root.uri).join(', ');
}

/** Asks until everything is answered; resolves to undefined or the result that asks. */
function open(questions, context, requestState) {
  const missing = Object.entries(questions).filter(([key]) => inputResponse(context.mcpReq.inputResponses, key).kind === 'missing');
  if (missing.length === 0) return undefined;
  return inputRequired({ inputRequests: Object.fromEntries(missing), ...(requestState ? { requestState } : {}) });
}

const answered = (questions, context, opening) => ({
  content: Object.keys(questions).map((key) => text(`${opening}${spoken(inputResponse(context.mcpReq.inputResponses, key))}`)),
});

// The forms that must arrive keyword by keyword.
const DEFAULTS = {
  name: { type: 'string', description: 'Full name', default: 'John Doe' },
  age: { type: 'integer', description: 'Age in years', default: 30 },
  score: { type: 'number', description: 'A score', default: 95.5 },
  status: { type: 'string', description: 'A status', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', description: 'Verified or not', default: true },
};
const titled = (prefix, ending) =>
  ['First', 'Second', 'Third'].map((name, index) => ({ const: `${prefix}${index + 1}`, title: `${name} ${ending}` }));
const ENUMS = {
  untitledSingle: { type: 'string', description: 'One of three', enum: ['option1', 'option2', 'option3'] },
  titledSingle: { type: 'string', description: 'One of three, with titles', oneOf: titled('value', 'Option') },
  legacyEnum: {
    type: 'string',
    description: 'One of three, titled in the old way',
    enum: ['opt1', 'opt2', 'opt3'],
    enumNames: ['Option One', 'Option Two', 'Option Three'],
  },
  untitledMulti: {
    type: 'array',
    description: 'Some of three',
    items: { type: 'string', enum: ['option1', 'option2', 'option3'] },
  },
  titledMulti: { type: 'array', description: 'Some of three, with titles', items: { anyOf: titled('value', 'Choice') } },
};

export function registerAskingTools(register, server, states) {
  /** A tool that asks `questions(args)` at once and repeats the answers. `state`: it also sends a sealed state. */
  const asking = (name, description, questions, { inputSchema, state, opening = '' } = {}) => {
    const work = async (args, context) => {
      const wanted = questions(args, context);
      const requestState = state ? await states.mint({ tool: name }) : undefined;
      return open(wanted, context, requestState) ?? answered(wanted, context, opening);
    };
    if (inputSchema) register(name, { description, inputSchema }, work);
    else register(name, { description }, (context) => work({}, context));
  };

  asking('test_sampling', 'Lets the client sample', ({ prompt }) => ({ sample: sampling(prompt) }), {
    inputSchema: z.object({ prompt: z.string() }),
    opening: 'LLM response: ',
  });
  const user = {
    username: { type: 'string', description: 'A user name' },
    email: { type: 'string', description: 'A mail address' },
  };
  asking('test_elicitation', 'Asks the user', ({ message }) => ({ user: form(message, user) }), {
    inputSchema: z.object({ message: z.string() }),
    opening: 'User response: ',
  });
  asking('test_elicitation_sep1034_defaults', 'Asks with defaults', () => ({ form: form('Please check', DEFAULTS, []) }));
  asking('test_elicitation_sep1330_enums', 'Asks with choices', () => ({ form: form('Please choose', ENUMS, []) }));

  const P = 'test_input_required_result';
  asking(`${P}_elicitation`, 'Asks for a name', () => ({ user_name: NAME() }), { opening: 'Hello: ' });
  asking(`${P}_sampling`, 'Asks a model', () => ({ capital_question: sampling('What is the capital of France?') }));
  asking(`${P}_list_roots`, 'Asks for roots', () => ({ client_roots: inputRequired.listRoots() }), { opening: 'roots: ' });
  const confirm = () => ({ confirm: form('Please confirm', { ok: { type: 'boolean' } }) });
  asking(`${P}_request_state`, 'Asks, with a state', confirm, { state: true, opening: 'state-ok: ' });
  asking(`${P}_tampered_state`, 'Asks, and checks its state', confirm, { state: true });
  asking(
    `${P}_multiple_inputs`,
    'Asks three things at once',
    () => ({ user_name: NAME(), greeting: sampling('Write a greeting', 50), client_roots: inputRequired.listRoots() }),
    { state: true },
  );
  asking(`${P}_capabilities`, 'Asks only what the client can answer', (_, context) => {
    const capabilities =
      context.mcpReq.envelope?.['io.modelcontextprotocol/clientCapabilities'] ?? server.server.getClientCapabilities() ?? {};
    return {
      ...(capabilities.elicitation ? { user_name: NAME() } : {}),
      ...(capabilities.sampling ? { greeting: sampling('Write a greeting', 50) } : {}),
    };
  });
  // A client that has not declared sampling gets -32021 instead of the question.
  asking('test_missing_capability', 'Needs a client that can sample', () => ({ sample: sampling('Say something') }));
  asking('test_streaming_elicitation', 'Asks in the course of a call', () => ({ user_name: NAME() }));

  register(`${P}_multi_round`, { description: 'Asks twice, one after the other' }, async (context) => {
    const state = context.mcpReq.requestState();
    if (state?.name === undefined) {
      const first = { step1: form('Step 1: your name?', { name: word }) };
      const question = open(first, context, await states.mint({ step: 1 }));
      if (question) return question;
      const { content } = inputResponse(context.mcpReq.inputResponses, 'step1');
      return second(context, String(content?.name ?? 'nobody'));
    }
    return second(context, state.name);
  });
  const second = async (context, name) => {
    const question = open({ step2: form('Step 2: your colour?', { color: word }) }, context, await states.mint({ step: 2, name }));
    const { content } = inputResponse(context.mcpReq.inputResponses, 'step2');
    return question ?? { content: [text(`${name} likes ${content?.color}`)] };
  };
}
