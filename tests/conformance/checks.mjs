// What every client must get, whatever its era: the same answers as from the servers themselves.

import assert from 'node:assert/strict';

export const ALLOWED = {
  fixture: ['add', 'count_to', 'fail'],
  everything: ['echo', 'get-sum'],
  'everything-stdio': ['echo'],
  files: ['read_text_file', 'list_directory'],
  memory: ['create_entities', 'read_graph'],
};

const textOf = (result) => result.content.map((part) => part.text ?? '').join('');

/**
 * Runs the checks that fit the target's servers. `session` speaks for one client:
 *   listTools() -> [name], callTool(name, args, onProgress?), readResource(uri), listTemplates() -> [uriTemplate],
 *   getPrompt(name, args), complete(params)
 * Absent functions are skipped: not every client can do everything. `report(name, problem?)` is told of each check.
 */
export async function checkSession(session, target, report) {
  const check = async (name, run) => {
    try {
      await run();
      report(name);
    } catch (problem) {
      report(name, problem);
    }
  };
  const call = (server, tool, args, onProgress) => session.callTool(target.name(server, tool), args, onProgress);

  await check('lists what it may use, and nothing else', async () => {
    const names = await session.listTools();
    for (const server of target.servers)
      for (const tool of ALLOWED[server]) assert.ok(names.includes(target.name(server, tool)), `${server}/${tool} is missing`);
    if (target.guarded) {
      assert.ok(!names.includes(target.name('fixture', 'forbidden')), 'a denied tool is listed');
      assert.equal(new Set(names).size, names.length, 'a name is listed twice');
    }
  });

  for (const server of ['everything', 'everything-stdio'].filter((one) => target.servers.includes(one)))
    await check(`calls echo on ${server}`, async () => {
      assert.equal(textOf(await call(server, 'echo', { message: 'grüße' })), 'Echo: grüße');
    });
  if (target.servers.includes('files'))
    await check('reads a file', async () => {
      const result = await call('files', 'read_text_file', { path: target.file });
      assert.ok(textOf(result).includes('ink and paper'), textOf(result));
    });
  if (target.servers.includes('memory'))
    await check('remembers an entity', async () => {
      const entity = { name: `gate-${process.pid}-${Math.random()}`, entityType: 'door', observations: ['shut'] };
      await call('memory', 'create_entities', { entities: [entity] });
      assert.ok(textOf(await call('memory', 'read_graph', {})).includes(entity.name));
    });
  if (target.servers.includes('fixture')) await checkFixture(session, target, call, check);
}

async function checkFixture(session, target, call, check) {
  await check('gets structured content', async () => {
    const result = await call('fixture', 'add', { a: 20, b: 22 });
    assert.equal(textOf(result), '42');
    assert.deepEqual(result.structuredContent, { sum: 42 });
  });
  await check("sees a tool's own failure as a result", async () => {
    const result = await call('fixture', 'fail', {});
    assert.equal(result.isError, true);
    assert.equal(textOf(result), 'it failed, as it should');
  });
  if (session.canProgress)
    await check('gets progress in order', async () => {
      const steps = [];
      const result = await call('fixture', 'count_to', { n: 4 }, (progress) => steps.push(progress.progress));
      assert.equal(textOf(result), 'counted to 4');
      assert.deepEqual(steps, [1, 2, 3, 4]);
    });
  if (target.guarded)
    await check('cannot call what is denied (N46)', async () => {
      let answer;
      try {
        answer = await call('fixture', 'forbidden', {});
      } catch {
        return; // a JSON-RPC error, as for a tool that does not exist
      }
      assert.ok(answer.isError, 'the call went through');
      assert.ok(!textOf(answer).includes('must never be seen'));
    });
  if (session.readResource)
    await check('reads a resource', async () => {
      const { contents } = await session.readResource('fixture://motd');
      assert.equal(contents[0].text, 'All gates are shut but one.');
    });
  if (session.listTemplates)
    await check('reads through a resource template', async () => {
      assert.ok((await session.listTemplates()).includes('fixture://greeting/{name}'));
      const { contents } = await session.readResource('fixture://greeting/grace');
      assert.equal(contents[0].text, 'Hello, grace.');
    });
  if (session.getPrompt)
    await check('gets a prompt', async () => {
      const prompt = await session.getPrompt(target.name('fixture', 'welcome'), { language: 'deutsch' });
      assert.equal(prompt.messages[0].content.text, 'Willkommen');
    });
  if (session.complete)
    await check('completes arguments of prompts and templates', async () => {
      const prompt = await session.complete({
        ref: { type: 'ref/prompt', name: target.name('fixture', 'welcome') },
        argument: { name: 'language', value: 'e' },
      });
      assert.deepEqual(prompt.completion.values, ['english', 'espanol']);
      const template = await session.complete({
        ref: { type: 'ref/resource', uri: 'fixture://greeting/{name}' },
        argument: { name: 'name', value: 'a' },
      });
      assert.deepEqual(template.completion.values, ['ada', 'alan']);
    });
}
