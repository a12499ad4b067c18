// Tasks of the extension io.modelcontextprotocol/tasks: work that outlives its call, can ask for input and can be cancelled.

import { randomUUID } from 'node:crypto';

const TTL_MS = 300_000;
const POLL_MS = 100;
const ENDED = ['completed', 'failed', 'cancelled'];

class Task {
  #state = { status: 'working' };
  #pending = new Map();
  #cancelled = new AbortController();
  #onChange;

  constructor(onChange) {
    this.id = randomUUID();
    this.createdAt = this.lastUpdatedAt = new Date().toISOString();
    this.#onChange = onChange;
  }

  /** Runs the work; what it throws with a code becomes the error of a failed task. */
  run(work) {
    work(this).then(
      (result) => this.#become({ status: 'completed', result }),
      (problem) => this.#become({ status: 'failed', error: { code: problem.code ?? -32603, message: problem.message } }),
    );
    return this;
  }

  /** Ends early when the task is cancelled. */
  sleep(seconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.#cancelled.signal.addEventListener('abort', () => resolve(clearTimeout(timer)), { once: true });
    });
  }

  /** Asks all of `requests` at once; resolves to the answers by key. */
  ask(requests) {
    return new Promise((resolve) => {
      const answers = {};
      for (const [key, request] of Object.entries(requests)) {
        const answer = (response) => {
          answers[key] = response;
          this.#pending.delete(key);
          if (this.#pending.size > 0) return this.#waiting();
          this.#become({ status: 'working' });
          return resolve(answers);
        };
        this.#pending.set(key, { request, answer });
      }
      this.#waiting();
    });
  }

  update(responses) {
    for (const [key, response] of Object.entries(responses)) this.#pending.get(key)?.answer(response);
  }

  cancel() {
    this.#become({ status: 'cancelled' });
    this.#cancelled.abort();
  }

  /** What a call that became a task answers. */
  brief() {
    const { id: taskId, createdAt, lastUpdatedAt } = this;
    return { taskId, status: this.#state.status, createdAt, lastUpdatedAt, ttlMs: TTL_MS, pollIntervalMs: POLL_MS };
  }

  /** What tasks/get answers. */
  detail() {
    return { ...this.brief(), ...this.#state };
  }

  #waiting() {
    const open = [...this.#pending].map(([key, { request }]) => [key, request]);
    this.#become({ status: 'input_required', inputRequests: Object.fromEntries(open) });
  }

  #become(state) {
    if (ENDED.includes(this.#state.status)) return;
    this.#state = state;
    this.lastUpdatedAt = new Date().toISOString();
    this.#onChange(this);
  }
}

export class Tasks {
  #tasks = new Map();
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
  }

  start(work) {
    const task = new Task(this.#onChange);
    this.#tasks.set(task.id, task);
    return task.run(work);
  }

  get = (id) => this.#tasks.get(id);
}
