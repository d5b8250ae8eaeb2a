/** Values that Python's pickle and ours carry, for properties. */

import fc from 'fast-check'
import { Tuple } from '../../src/compat/peerpy/tuple.ts'

/** Values that come back as they are. */
export const pickleValue: fc.Arbitrary<unknown> = fc.letrec(tie => ({
  text: fc.string({ unit: 'grapheme', maxLength: 20 }),
  hashable: fc.oneof(
    tie('text'),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }).filter(n => !Number.isSafeInteger(Number(n))),
  ),
  scalar: fc.oneof(
    fc.constantFrom(null, true, false, Number.NaN, -0, 1 / 0),
    fc.double(),
    tie('hashable'),
    fc.uint8Array({ maxLength: 300 }),
  ),
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie('scalar'),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(tie('value'), { maxLength: 5 }).map(items => Tuple.from(items)),
    fc.dictionary(fc.string({ maxLength: 8 }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
    fc
      .uniqueArray(fc.tuple(fc.integer(), tie('value')), { selector: ([key]) => key, minLength: 1, maxLength: 4 })
      .map(entries => new Map(entries)),
    fc.uniqueArray(tie('hashable'), { maxLength: 4 }).map(members => new Set(members)),
  ),
})).value
