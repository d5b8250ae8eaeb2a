/** Counts of vitest's JSON reports. */

import { existsSync, readFileSync } from 'node:fs'

/**
 * Passed, failed and skipped tests of one run that ended with `exitCode`. A file that could not even be loaded is one
 * failed test, and so is a run that failed for another reason, such as an error that no test caught.
 */
export function countTests(reportFile, exitCode) {
  if (!existsSync(reportFile)) return { passed: 0, failed: exitCode === 0 ? 0 : 1, skipped: 0 }
  const report = JSON.parse(readFileSync(reportFile, 'utf8'))
  const isBroken = file => file.status === 'failed' && file.assertionResults.every(test => test.status !== 'failed')
  const failed = report.numFailedTests + report.testResults.filter(isBroken).length
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

export function addCounts(a, b) {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }
}
