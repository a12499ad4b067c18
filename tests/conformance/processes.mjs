// Child processes that never outlive the run, and the waiting for what they print.

import { spawn } from 'node:child_process';

const children = new Set();

/** Starts a program. `log` collects everything it prints, for the report when something fails. */
export function start(command, args, { env = process.env, cwd } = {}) {
  const child = spawn(command, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  child.log = '';
  child.done = new Promise((resolve) => {
    child.on('error', (problem) => {
      child.log += String(problem);
      resolve(127);
    });
    child.on('close', (code, signal) => {
      children.delete(child);
      resolve(code ?? signal);
    });
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (child.log += bytes));
  children.add(child);
  return child;
}

/** Waits until the program has printed something that fits; resolves to the match. */
export async function printed(child, pattern, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const match = child.log.match(pattern);
    if (match) return match;
    const ended = await Promise.race([child.done.then((code) => ({ code })), pause(50)]);
    if (ended) throw new Error(`ended with ${ended.code} before it was ready:\n${child.log}`);
    if (Date.now() > deadline) throw new Error(`not ready after ${seconds} s:\n${child.log}`);
  }
}

/** Waits until `look` finds something; resolves to it. */
export async function until(look, what, seconds = 5) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`after ${seconds} s: ${what}`);
    await pause(20);
  }
}

/** Runs a program to its end, with `input` on its standard input; resolves to {code, stdout, stderr}. */
export async function run(command, args, { env = process.env, cwd, seconds = 60, input } = {}) {
  const child = spawn(command, args, { env, cwd, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
  child.stdin?.end(input);
  children.add(child);
  const result = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (bytes) => (result.stdout += bytes));
  child.stderr.on('data', (bytes) => (result.stderr += bytes));
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
  result.code = await new Promise((resolve) => {
    child.on('error', (problem) => {
      result.stderr += String(problem);
      resolve(127);
    });
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  clearTimeout(timer);
  children.delete(child);
  return result;
}

/** Ends a program in the way it is meant to end; resolves to its exit code. */
export async function stop(child, signal = 'SIGTERM') {
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 15000);
  const code = await child.done;
  clearTimeout(timer);
  return code;
}

export function killAll() {
  for (const child of children) child.kill('SIGKILL');
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
