// A server for the extension io.modelcontextprotocol/tasks, 2026-07-28 alone, written out by hand because the SDK does not
// know the extension. Prints "ready: URL".

import { createServer } from 'node:http';
import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node';
import { RpcError, TASK_TOOLS, needsTasks } from './suite/task_tools.mjs';
import { Tasks } from './suite/tasks.mjs';

const VERSION = '2026-07-28';
const META = 'io.modelcontextprotocol';
const TASKS = `${META}/tasks`;
const SERVER_INFO = { name: 'tasks-fixture', version: '1.0.0' };
const CACHE = { ttlMs: 0, cacheScope: 'private' };
const STATUS = { [-32700]: 400, [-32600]: 400, [-32601]: 404, [-32020]: 400, [-32021]: 400, [-32022]: 400 };

const listeners = new Set();
const tasks = new Tasks((task) => {
  for (const listener of listeners) if (listener.ids.includes(task.id)) listener.send('notifications/tasks', task.detail());
});

const complete = (result) => ({ resultType: 'complete', ...result });

const methods = {
  'server/discover': () => complete({
    supportedVersions: [VERSION],
    capabilities: { tools: {}, extensions: { [TASKS]: {} } },
    ...CACHE,
  }),
  'tools/list': () => complete({
    tools: Object.entries(TASK_TOOLS).map(([name, { description, properties = {} }]) => ({
      name,
      description,
      inputSchema: { type: 'object', properties },
    })),
    ...CACHE,
  }),
  'tools/call': async ({ name, arguments: args = {}, inputResponses }, declared) => {
    if (!Object.hasOwn(TASK_TOOLS, name)) throw new RpcError(-32602, `Unknown tool: ${name}`);
    const done = await TASK_TOOLS[name].call(args, { tasks: declared ? tasks : undefined, responses: inputResponses });
    if (done.task) return { resultType: 'task', ...done.task.brief() };
    if (done.inputRequests) return { resultType: 'input_required', inputRequests: done.inputRequests };
    return complete(done);
  },
  'tasks/get': ({ taskId }) => complete(known(taskId).detail()),
  'tasks/update': ({ taskId, inputResponses = {} }) => {
    known(taskId).update(inputResponses);
    return complete({});
  },
  'tasks/cancel': ({ taskId }) => {
    known(taskId).cancel();
    return complete({});
  },
};

function known(id) {
  const task = tasks.get(id);
  if (!task) throw new RpcError(-32602, 'Unknown task');
  return task;
}

/** Throws what is wrong with the request; resolves to whether the client has declared the extension. */
function check({ method, params }, headers) {
  const meta = params?._meta ?? {};
  const version = meta[`${META}/protocolVersion`];
  const capabilities = meta[`${META}/clientCapabilities`];
  if (typeof version !== 'string' || typeof capabilities !== 'object' || capabilities === null)
    throw Object.assign(new RpcError(-32602, 'The request has no complete _meta'), { status: 400 });
  if (headers['mcp-protocol-version'] !== version) throw new RpcError(-32020, 'MCP-Protocol-Version is not that of _meta');
  if (version !== VERSION)
    throw new RpcError(-32022, 'Unsupported protocol version', { supported: [VERSION], requested: version });
  if (!Object.hasOwn(methods, method) && method !== 'subscriptions/listen') throw new RpcError(-32601, 'Method not found');
  if (headers['mcp-method'] !== method) throw new RpcError(-32020, 'Mcp-Method is not the method');
  const name = method === 'tools/call' ? params.name : method.startsWith('tasks/') ? params.taskId : undefined;
  if (name !== undefined && headers['mcp-name'] !== name) throw new RpcError(-32020, 'Mcp-Name is not what the body names');
  const declared = capabilities.extensions?.[TASKS] !== undefined;
  if (method.startsWith('tasks/') && !declared) throw needsTasks();
  return declared;
}

function answer(response, status, message) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', ...message }));
}

/** Tells of the named tasks until the client goes away. */
function listen({ id, params }, response) {
  const ids = (params.notifications?.taskIds ?? []).filter((one) => tasks.get(one));
  const send = (method, more) =>
    response.write(
      `data: ${JSON.stringify({ jsonrpc: '2.0', method, params: { ...more, _meta: { [`${META}/subscriptionId`]: id } } })}\n\n`,
    );
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  send('notifications/subscriptions/acknowledged', { notifications: ids.length > 0 ? { taskIds: ids } : {} });
  const listener = { ids, send };
  listeners.add(listener);
  response.on('close', () => listeners.delete(listener));
}

async function serve(request, response) {
  if (request.method !== 'POST') return response.writeHead(405).end();
  let bytes = '';
  for await (const piece of request) bytes += piece;
  let message = {};
  try {
    message = JSON.parse(bytes);
    if (message.id === undefined) return response.writeHead(202).end();
    const declared = check(message, request.headers);
    if (message.method === 'subscriptions/listen') return listen(message, response);
    const result = await methods[message.method](message.params, declared);
    result._meta = { [`${META}/serverInfo`]: SERVER_INFO };
    return answer(response, 200, { id: message.id, result });
  } catch (problem) {
    const { code = problem instanceof SyntaxError ? -32700 : -32603, data } = problem;
    const error = { code, message: problem.message, ...(data ? { data } : {}) };
    return answer(response, problem.status ?? STATUS[code] ?? 200, { id: message.id ?? null, error });
  }
}

const checkHost = localhostHostValidation();
const checkOrigin = localhostOriginValidation();
const http = createServer((request, response) => {
  if (checkHost(request, response) && checkOrigin(request, response)) serve(request, response);
});
http.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`ready: http://127.0.0.1:${http.address().port}/mcp`);
});
