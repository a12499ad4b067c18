// Somebody at a browser: follows redirects, keeps cookies, fills in the forms of a sign-in and says yes.

/** The first form of a page: {action, method, fields}. */
function formOf(html, base) {
  const form = html.match(/<form([^>]*)>([\s\S]*?)<\/form>/i);
  if (!form) return undefined;
  const attribute = (text, name) => text.match(new RegExp(`\\b${name}="([^"]*)"`, 'i'))?.[1];
  const fields = {};
  for (const [tag] of form[2].matchAll(/<input[^>]*>/gi)) {
    const name = attribute(tag, 'name');
    if (name) fields[name] = attribute(tag, 'value') ?? '';
  }
  for (const [tag] of form[2].matchAll(/<button[^>]*>/gi)) {
    const name = attribute(tag, 'name');
    if (name && !(name in fields)) fields[name] = attribute(tag, 'value') ?? '';
  }
  return { action: new URL(attribute(form[1], 'action') ?? base, base), fields };
}

/**
 * Opens `url` and goes on until a redirect leads to `end`; resolves to that URL. `answers` fill the fields of that name.
 * `pages`, if given, collects what was shown.
 */
export async function walkThrough(url, end, answers, pages = []) {
  const jars = new Map();
  const cookie = (to) => [...(jars.get(to.host) ?? new Map())].map(([name, value]) => `${name}=${value}`).join('; ');
  let next = { url: new URL(url), init: {} };
  for (let step = 0; step < 20; step += 1) {
    if (String(next.url).startsWith(end)) return next.url;
    const headers = { ...next.init.headers };
    if (cookie(next.url)) headers.cookie = cookie(next.url);
    const response = await fetch(next.url, { ...next.init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      if (!jars.has(next.url.host)) jars.set(next.url.host, new Map());
      jars.get(next.url.host).set(pair.slice(0, at), pair.slice(at + 1));
    }
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location) {
      next = { url: new URL(location, next.url), init: {} };
      continue;
    }
    const html = await response.text();
    pages.push({ url: String(next.url), status: response.status, html, headers: response.headers });
    const form = formOf(html, next.url);
    if (!form) throw new Error(`a page without a form (${response.status}) at ${next.url}: ${html.slice(0, 400)}`);
    const body = new URLSearchParams({ ...form.fields });
    for (const [name, value] of Object.entries(answers)) if (name in form.fields) body.set(name, value);
    next = { url: form.action, init: { method: 'POST', body } };
  }
  throw new Error(`no way to ${end} after 20 pages`);
}
