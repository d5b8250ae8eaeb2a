import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { choosePath, PATIENCE_MS, type PathCondition, redundantPaths } from './path-choice.ts'

const alive = { liveness: 'here', unansweredMs: 0, isEnding: false, hasBegun: true, networks: undefined } as const
const wire: PathCondition = { ...alive, rank: 0, idleRttMs: 1 }
const radio: PathCondition = { ...alive, rank: 1, idleRttMs: 3 }

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

describe('of paths that connect the same networks', () => {
  const alike: PathCondition = { ...wire, networks: '1-1' }
  const redundant = (paths: readonly PathCondition[], present = 0) =>
    redundantPaths(paths, paths[present]).map(path => paths.indexOf(path))

  test.each<[string, PathCondition[], number[]]>([
    ['one is enough, the one that is used', [alike, { ...alike }, { ...alike }], [1, 2]],
    ['the one that answers is enough', [{ ...alike, unansweredMs: PATIENCE_MS }, { ...alike }], [0]],
    ['none ends before something has come on the better one', [alike, { ...alike, rank: -1, hasBegun: false }], []],
    ['none ends where none answers', [alike, { ...alike }].map(path => ({ ...path, liveness: 'quiet' })), []],
    ['one that is ending counts no more', [{ ...alike, isEnding: true }, { ...alike }], []],
    ['others are none', [wire, { ...wire }, { ...alike }, { ...alike, networks: '1-2' }], []],
  ])('%s', (_, paths, expected) => {
    expect(redundant(paths)).toEqual(expected)
  })

  test('one that answers is always left of those that did', () => {
    const anyPath: fc.Arbitrary<PathCondition> = fc.record({
      rank: fc.nat(1),
      idleRttMs: fc.constantFrom(undefined, 0.2, 5, 40),
      liveness: fc.constantFrom('here' as const, 'quiet' as const),
      unansweredMs: fc.constantFrom(0, PATIENCE_MS),
      isEnding: fc.boolean(),
      hasBegun: fc.boolean(),
      networks: fc.constantFrom(undefined, '1-1', '1-2', '2-1'),
    })
    fc.assert(
      fc.property(fc.array(anyPath, { minLength: 1, maxLength: 6 }), fc.nat(5), (paths, at) => {
        const present = choosePath(paths, paths[at])
        const ended = redundantPaths(paths, present)
        expect(ended.filter(path => path.networks === undefined || path.isEnding)).toEqual([])
        if (present?.isEnding === false) expect(ended).not.toContain(present)
        for (const path of ended) {
          const left = paths.filter(other => other.networks === path.networks && !ended.includes(other))
          expect(left.some(other => other.hasBegun && !other.isEnding && other.unansweredMs === 0)).toBe(true)
        }
        // Asked again, nothing has changed.
        const rest = paths.filter(path => !ended.includes(path))
        expect(redundantPaths(rest, present)).toEqual([])
      }),
      { numRuns: 500 },
    )
  })
})
