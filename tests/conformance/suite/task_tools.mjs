// The tools of the tasks fixture. Each gets its arguments and how it may run: {tasks?: undefined where the client has not
// declared the extension, responses: input responses}; it returns a result, {task} or {inputRequests}.

const TASKS = 'io.modelcontextprotocol/tasks';

export class RpcError extends Error {
  constructor(code, message, data) {
    super(message);
    Object.assign(this, { code, data });
  }
}

export const needsTasks = () =>
  new RpcError(-32021, 'This needs a client with tasks', { requiredCapabilities: { extensions: { [TASKS]: {} } } });

const said = (text, more) => ({ content: [{ type: 'text', text }], ...more });
const string = { type: 'string' };
const elicit = (message, properties) => ({
  method: 'elicitation/create',
  params: { mode: 'form', message, requestedSchema: { type: 'object', properties, required: Object.keys(properties) } },
});
const only = (work) => (args, { tasks }) => {
  if (!tasks) throw needsTasks();
  return { task: tasks.start((task) => work(task, args)) };
};
const rest = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

export const TASK_TOOLS = {
  greet: {
    description: 'Greets at once',
    properties: { name: string },
    call: ({ name }) => said(`Hello, ${name}!`),
  },
  slow_compute: {
    description: 'Takes its time: as a task where the client knows tasks',
    properties: { seconds: { type: 'number' }, label: string },
    call: async ({ seconds = 0, label = '' }, { tasks }) => {
      const result = said(`computed ${label} in ${seconds} s`);
      if (tasks) return { task: tasks.start((task) => task.sleep(seconds).then(() => result)) };
      await rest(seconds);
      return result;
    },
  },
  failing_job: {
    description: 'A task that ends in an error of the tool',
    call: only((task) => task.sleep(0.5).then(() => said('The job failed, as it should.', { isError: true }))),
  },
  protocol_error_job: {
    description: 'A task that ends in an error of the protocol',
    call: only((task) => task.sleep(0.2).then(() => { throw new RpcError(-32603, 'The job broke, as it should.'); })),
  },
  confirm_delete: {
    description: 'A task that asks before it goes on',
    properties: { filename: string },
    call: only(async (task, { filename }) => {
      const { confirm } = await task.ask({ confirm: elicit(`Delete ${filename}?`, { confirm: { type: 'boolean' } }) });
      return said(confirm.content?.confirm ? `${filename} is deleted` : `${filename} is kept`);
    }),
  },
  multi_input: {
    description: 'A task that asks two things at once',
    call: only(async (task) => {
      const answers = await task.ask({ first: elicit('First name?', { name: string }), last: elicit('Last name?', { name: string }) });
      return said(Object.values(answers).map((answer) => answer.content?.name).join(' '));
    }),
  },
  test_tool_with_task: {
    description: 'Asks first, then goes on as a task',
    call: (args, { tasks, responses }) => {
      if (!tasks) throw needsTasks();
      const name = responses?.user_name?.content?.name;
      if (name === undefined) return { inputRequests: { user_name: elicit('What is your name?', { name: string }) } };
      return { task: tasks.start((task) => task.sleep(0.2).then(() => said(`Hello, ${name}!`))) };
    },
  },
};
