// Checks that are reported one by one, so that the first that fails hides no other.

/** `only`: those whose words hold this text. Resolves to {check(what, work), summary(): the exit code}. */
export function checklist(name, { only, verbose }) {
  let passed = 0;
  let failures = 0;
  return {
    async check(what, work) {
      if (!what.includes(only)) return;
      try {
        await work();
        passed += 1;
        console.log(`ok      ${what}`);
      } catch (problem) {
        failures += 1;
        console.log(`FAILED  ${what}\n        ${String(verbose ? problem.stack : problem.message).replaceAll('\n', '\n        ')}`);
      }
    },
    summary() {
      console.log(failures === 0 ? `${name}: all ${passed} as they must be` : `${name}: ${failures} failed`);
      return failures === 0 ? 0 : 1;
    },
  };
}
