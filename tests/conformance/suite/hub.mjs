// What all servers of the fixture share: the lists that change, who is to be told, and the counts.

export class Hub {
  /** Publishes to the listen streams of 2026-07-28; set once the handler exists. */
  modern;
  #present = { tools: false, prompts: false };
  #sessions = new Set();

  /** By tool: handlers entered (a call that asks enters once more per round), results given, calls cancelled. */
  counts = { entered: {}, done: {}, cancelled: {}, asked: {}, subscribed: 0, unsubscribed: 0 };

  count(what, name) {
    this.counts[what][name] = (this.counts[what][name] ?? 0) + 1;
  }

  present = (what) => this.#present[what];

  join(server) {
    this.#sessions.add(server);
  }
  leave(server) {
    this.#sessions.delete(server);
  }

  /** A tool or prompt appears, or disappears again. */
  toggle(what) {
    this.#present[what] = !this.#present[what];
    for (const server of this.#sessions) server.dynamic[what].update({ enabled: this.#present[what] });
    if (what === 'tools') this.modern.toolsChanged();
    else this.modern.promptsChanged();
  }

  reset() {
    for (const what of ['tools', 'prompts']) if (this.#present[what]) this.toggle(what);
  }

  /** A resource has another content. */
  touch(uri) {
    for (const { server, subscriptions } of this.#sessions) if (subscriptions.has(uri)) server.sendResourceUpdated({ uri });
    this.modern.resourceUpdated(uri);
  }
}
