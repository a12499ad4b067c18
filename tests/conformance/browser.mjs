// Somebody at a real browser: headless Chromium, on a screen as large as a phone's.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const QUIET = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync',
];

/** Opens a browser without scripts; resolves to {page, problems: what the browser refused or complained of, close()}. */
export async function openBrowser({ path = '/usr/bin/chromium', dark = false } = {}) {
  const home = await mkdtemp(join(tmpdir(), 'browser-'));
  const context = await chromium.launchPersistentContext(home, {
    executablePath: path,
    args: QUIET,
    javaScriptEnabled: false,
    viewport: { width: 390, height: 844 },
    colorScheme: dark ? 'dark' : 'light',
  });
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(message.text()));
  return {
    page,
    problems,
    async close() {
      await context.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
