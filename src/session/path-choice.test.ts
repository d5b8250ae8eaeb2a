import { expect, test } from 'vitest'
import { choosePath, PATIENCE_MS, type PathCondition } from './path-choice.ts'

const wire: PathCondition = { rank: 0, idleRttMs: 1, liveness: 'here', unansweredMs: 0 }
const radio: PathCondition = { rank: 1, idleRttMs: 3, liveness: 'here', unansweredMs: 0 }

test.each<[string, PathCondition[], PathCondition | undefined, number | undefined]>([
  ['there is none', [], undefined, undefined],
  ['there is none any more', [], wire, undefined],
  ['there is one', [radio], undefined, 0],
  ['there is one, and it does not answer', [{ ...wire, liveness: 'quiet' }], undefined, 0],
  ['a wire is there beside a radio', [radio, wire], radio, 1],
  ['the wire does not answer', [radio, { ...wire, unansweredMs: PATIENCE_MS }], wire, 0],
  ['the wire is quiet', [radio, { ...wire, liveness: 'quiet' }], undefined, 0],
  [
    'neither answers',
    [
      { ...radio, liveness: 'quiet' },
      { ...wire, liveness: 'quiet' },
    ],
    undefined,
    1,
  ],
  ['another one is a little faster', [radio, { ...radio, idleRttMs: 2 }], radio, 0],
  [
    'another one is much faster',
    [
      { ...radio, idleRttMs: 40 },
      { ...radio, idleRttMs: 4 },
    ],
    radio,
    1,
  ],
  [
    'another one has not been measured',
    [
      { ...radio, idleRttMs: 40 },
      { ...radio, idleRttMs: undefined },
    ],
    radio,
    0,
  ],
])('where %s', (_, paths, present, expected) => {
  // The present one stands in the list as the same object.
  const at = present ? paths.findIndex(path => path.rank === present.rank) : -1
  expect(choosePath(paths, paths[at])).toBe(expected === undefined ? undefined : paths[expected])
})
