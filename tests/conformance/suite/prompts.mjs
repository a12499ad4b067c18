// The prompts, one of which asks before it answers.

import { completable, inputRequired, inputResponse } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { image, resource, text } from './media.mjs';

const WORDS = ['test', 'testament', 'testimony', 'paris', 'park', 'party'];
const completed = () => completable(z.string(), (value) => WORDS.filter((one) => one.startsWith(value)));
const user = (...contents) => ({ messages: contents.map((content) => ({ role: 'user', content })) });

/** Registers the prompts; resolves to the one that comes and goes. */
export function registerPrompts(server, hub) {
  server.registerPrompt('test_simple_prompt', { description: 'One plain sentence' }, () =>
    user(text('A simple prompt for testing.')),
  );
  server.registerPrompt(
    'test_prompt_with_arguments',
    { description: 'Repeats its arguments', argsSchema: z.object({ arg1: completed(), arg2: completed() }) },
    ({ arg1, arg2 }) => user(text(`arg1 is '${arg1}' and arg2 is '${arg2}'`)),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embeds a resource', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri }) => user(resource(resourceUri, 'text/plain', 'What the resource says.'), text('Please read the above.')),
  );
  server.registerPrompt('test_prompt_with_image', { description: 'Shows an image' }, () =>
    user(image, text('Please look at the above.')),
  );
  server.registerPrompt('test_input_required_result_prompt', { description: 'Asks for its context' }, (context) => {
    const answer = inputResponse(context.mcpReq.inputResponses, 'user_context');
    if (answer.kind === 'elicit') return user(text(`With this context: ${JSON.stringify(answer.content ?? {})}`));
    const requestedSchema = { type: 'object', properties: { context: { type: 'string' } }, required: ['context'] };
    const question = inputRequired.elicit({ message: 'Which context?', requestedSchema });
    return inputRequired({ inputRequests: { user_context: question } });
  });
  const dynamic = server.registerPrompt('test_dynamic_prompt', { description: 'Comes and goes' }, () => user(text('Here I am.')));
  if (!hub.present('prompts')) dynamic.update({ enabled: false });
  return dynamic;
}
