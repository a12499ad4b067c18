// Server-sent events as bytes on the wire: strict to read, and as hostile to write as the network may be.

/** text -> [{event (undefined where unnamed), data}]; what is no event, comment or blank line is a problem. */
export function readEvents(text) {
  const events = [];
  const problems = [];
  if (text.length > 0 && !text.endsWith('\n\n')) problems.push('the stream does not end with a whole event');
  for (const block of text.split('\n\n')) {
    let event;
    const data = [];
    for (const line of block.split('\n')) {
      if (line === '' || line.startsWith(':')) continue;
      const [, field, value] = line.match(/^([a-z]+): ?(.*)$/s) ?? [];
      if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
      else problems.push(`no line of an event: ${JSON.stringify(line.slice(0, 80))}`);
    }
    if (data.length > 0) events.push({ event, data: data.join('\n') });
    else if (event !== undefined) problems.push(`event ${event} without data`);
  }
  return { events, problems };
}

/** Events whose data is JSON: adds `json`; [DONE] stays text. */
export function readJsonEvents(text) {
  const { events, problems } = readEvents(text);
  for (const one of events) {
    if (one.data === '[DONE]') continue;
    try {
      one.json = JSON.parse(one.data);
    } catch {
      problems.push(`no JSON: ${one.data.slice(0, 80)}`);
    }
  }
  return { events, problems };
}

export const named = (json) => `event: ${json.type}\ndata: ${JSON.stringify(json)}\n\n`;
export const unnamed = (json) => `data: ${typeof json === 'string' ? json : JSON.stringify(json)}\n\n`;

/** A text in a few deltas, cut anywhere between its characters. */
export function pieces(text, count = 3) {
  const characters = [...text];
  const size = Math.max(1, Math.ceil(characters.length / count));
  const cut = [];
  for (let at = 0; at < characters.length; at += size) cut.push(characters.slice(at, at + size).join(''));
  return cut;
}

/** Frames as writes that respect neither frames nor characters. */
export function* shreds(text) {
  const bytes = Buffer.from(text);
  const sizes = [1, 61, 7, 512, 3, 190];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length];
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
