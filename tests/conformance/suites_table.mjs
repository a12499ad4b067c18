// What the suites run, what they must count, and which checks one era of an upstream cannot express.
// docs/conformance.md shows the second table; a run compares the two.

/** `passed`: how many checks succeed, exactly; `direct`: the same without the gateway, where it differs. `scenarios`: which of them belong to this run. `unheard`: whose warnings mean nothing. */
export const SUITES = [
  {
    name: '0.1.16 all',
    package: 'conformance-2025',
    args: ['--suite', 'all'],
    revision: '2025-11-25',
    // It says 2025-03-26 in its headers, and the SDK believes them: no events to come back to, and warnings. We believe what the
    // session agreed on, 2025-11-25, and pass three more.
    passed: 47,
    direct: 44,
    unheard: ['server-sse-polling'],
  },
  {
    name: '0.2.0-alpha.12 2025-11-25',
    package: 'conformance-2026',
    args: ['--requirements', '2025-11-25', '--timeout', '15000'],
    revision: '2025-11-25',
    passed: 84,
  },
  {
    name: '0.2.0-alpha.12 2026-07-28',
    package: 'conformance-2026',
    args: ['--requirements', '2026-07-28', '--timeout', '15000'],
    revision: '2026-07-28',
    passed: 152,
    scenarios: (name) => !name.startsWith('tasks-'),
  },
];

export const TASK_SCENARIOS = [
  'tasks-lifecycle',
  'tasks-capability-negotiation',
  'tasks-wire-fields',
  'tasks-request-state-removal',
  'tasks-mrtr-input',
  'tasks-request-headers',
  'tasks-dispatch-and-envelope',
  'tasks-required-task-error',
  'tasks-mrtr-composition',
];
export const TASKS_PASSED = 44;

/** The client leg, without what is about authorization. */
export const CLIENT_PASSED = { '2025-11-25': 20, '2026-07-28': 63 };

const OVER_LEGACY = { revision: '2026-07-28', era: 'legacy' };

/** Checks of a revision that an upstream of the other era cannot express, each with the reason. */
export const INEXPRESSIBLE = [
  {
    ...OVER_LEGACY,
    scenario: 'server-stateless',
    checks: ['sep-2575-server-rejects-undeclared-capability', 'sep-2575-missing-capability-http-400'],
    reason: 'A server of 2025 that misses a capability says so in its own words; no error code stands for it',
  },
  {
    ...OVER_LEGACY,
    scenario: 'input-required-result-basic-elicitation',
    checks: ['sep-2322-elicitation-incomplete', 'sep-2322-elicitation-complete'],
    reason: 'A question of 2025 has no name, and the check wants it to be called `user_name`',
  },
  {
    revision: '2025-11-25',
    era: 'modern',
    scenario: 'server-sse-polling',
    checks: ['server-sse-disconnect-resume'],
    reason: 'A server of 2026 has no stream that could be left and taken up again, so none is broken off',
  },
];
