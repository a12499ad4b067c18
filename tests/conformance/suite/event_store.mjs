// Keeps what was sent on every stream of one session, so that a client can come back for what it missed.

export class EventStore {
  #events = [];

  async storeEvent(stream, message) {
    this.#events.push({ stream, message });
    return `${stream}/${this.#events.length}`;
  }

  async getStreamIdForEventId(id) {
    return this.#events[this.#position(id)]?.stream;
  }

  async replayEventsAfter(id, { send }) {
    const position = this.#position(id);
    const { stream } = this.#events[position];
    for (let next = position + 1; next < this.#events.length; next += 1) {
      const event = this.#events[next];
      // A stream opens with an event that says nothing.
      if (event.stream === stream && 'jsonrpc' in event.message) await send(`${stream}/${next + 1}`, event.message);
    }
    return stream;
  }

  #position = (id) => Number(id.slice(id.lastIndexOf('/') + 1)) - 1;
}
