import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EarshotError } from '../../errors.ts'
import { textAttribute } from './attribute.ts'
import { ATTRIBUTE } from './attribute-type.ts'
import { answerChallenge, challengeIn, prepareCredential } from './long-term-credential.ts'
import { METHOD, type StunAttribute, type StunMessage } from './message.ts'

const MD5_THEN_SHA256 = Uint8Array.of(0, 1, 0, 0, 0, 2, 0, 0)
const SHA256_THEN_MD5 = Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0)
/** Base64 of 24 bits: password algorithms, user name anonymity, both. */
const [ALGORITHMS, ANONYMITY, BOTH] = ['gAAA', 'QAAA', 'wAAA']

function challenged(nonce: string, passwordAlgorithms?: Uint8Array): StunMessage {
  const attributes: StunAttribute[] = [
    textAttribute(ATTRIBUTE.realm, 'example.org'),
    textAttribute(ATTRIBUTE.nonce, nonce),
  ]
  if (passwordAlgorithms) attributes.push({ type: ATTRIBUTE.passwordAlgorithms, value: passwordAlgorithms })
  return { class: 'error', method: METHOD.allocate, transactionId: new Uint8Array(12), attributes }
}

const credential = { username: 'ada', password: 'secret' }
const typesOf = ({ attributes }: { readonly attributes: readonly StunAttribute[] }) =>
  attributes.map(({ type }) => type)

describe('a challenge', () => {
  test('of an older server means MD5 and MESSAGE-INTEGRITY', () => {
    const challenge = challengeIn(challenged('abc'))!
    expect(challenge).toMatchObject({ realm: 'example.org', nonce: 'abc', algorithm: 'md5', hidesUsername: false })
    const answer = answerChallenge(credential, challenge)
    expect(answer.integrity.algorithm).toBe('sha1')
    // MD5 of "ada:example.org:secret".
    expect(Buffer.from(answer.integrity.key).toString('hex')).toBe('dcb6566d05f03ef37a4fadb9eef35c17')
    expect(typesOf(answer)).toEqual([ATTRIBUTE.username, ATTRIBUTE.nonce, ATTRIBUTE.realm])
  })

  test('without realm or nonce is none', () => {
    expect(challengeIn({ ...challenged('abc'), attributes: [] })).toBeUndefined()
  })

  test('takes the first password algorithm that is known, and says which, with the whole list', () => {
    const challenge = challengeIn(challenged(`obMatJos2${ALGORITHMS}xyz`, SHA256_THEN_MD5))!
    expect(challenge.algorithm).toBe('sha256')
    const { attributes, integrity } = answerChallenge(credential, challenge)
    expect(integrity.algorithm).toBe('sha256')
    expect(attributes.find(({ type }) => type === ATTRIBUTE.passwordAlgorithm)?.value).toEqual(
      Uint8Array.of(0, 2, 0, 0),
    )
    expect(attributes.find(({ type }) => type === ATTRIBUTE.passwordAlgorithms)?.value).toBe(
      challenge.passwordAlgorithms,
    )
    const other = challengeIn(challenged(`obMatJos2${ALGORITHMS}`, MD5_THEN_SHA256))!
    expect(answerChallenge(credential, other).integrity).toMatchObject({ algorithm: 'sha256' })
    expect(other.algorithm).toBe('md5')
  })

  test('from which the password algorithms were removed is refused, and so are added ones', () => {
    expect(() => challengeIn(challenged(`obMatJos2${ALGORITHMS}`))).toThrow(/bid-down/)
    expect(() => challengeIn(challenged(`obMatJos2${ANONYMITY}`, MD5_THEN_SHA256))).toThrow(/bid-down/)
  })

  test('with unknown password algorithms, or a list that is cut off, is refused', () => {
    const violation = expect.objectContaining({ code: 'protocol-violation' })
    expect(() => challengeIn(challenged(`obMatJos2${ALGORITHMS}`, Uint8Array.of(0, 9, 0, 0)))).toThrow(violation)
    for (let length = 0; length < 4; length++) {
      const cut = challenged(`obMatJos2${ALGORITHMS}`, SHA256_THEN_MD5.subarray(0, length))
      expect(() => challengeIn(cut)).toThrow(violation)
    }
  })

  test('of any nonce and any list is taken or refused', () => {
    const nonce = fc.oneof(
      fc.string(),
      fc.string({ maxLength: 6 }).map(rest => `obMatJos2${rest}`),
      fc.constant('obMatJos2gAAA'),
    )
    const list = fc.option(fc.uint8Array({ maxLength: 30 }), { nil: undefined })
    fc.assert(
      fc.property(nonce, list, (text, algorithms) => {
        try {
          const challenge = challengeIn(challenged(text, algorithms))!
          expect(challenge.nonce).toBe(text)
          answerChallenge(credential, challenge)
        } catch (error) {
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('that asks for it gets the user name as a hash (RFC 8489 appendix B.1)', () => {
    const challenge = challengeIn(challenged(`obMatJos2${BOTH}`, SHA256_THEN_MD5))!
    const { attributes } = answerChallenge({ username: 'マトリックス', password: 'TheMatrIX' }, challenge)
    expect(attributes[0]!.type).toBe(ATTRIBUTE.userhash)
    expect(Buffer.from(attributes[0]!.value).toString('hex')).toMatch(/^4a3cf38fef6992bd/)
  })

  test('with something else in place of the features has none', () => {
    for (const nonce of ['obMatJos2', 'obMatJos2gA', 'obMatJos2g-AA']) {
      expect(challengeIn(challenged(nonce))).toMatchObject({ algorithm: 'md5', hidesUsername: false })
    }
  })
})

describe('a credential', () => {
  test('is compared in Unicode form NFC, with plain spaces', () => {
    expect(prepareCredential({ username: 'e\u0301', password: 'a\u00a0b' })).toEqual({ username: 'é', password: 'a b' })
  })

  test('must be there, without control characters, and not too long', () => {
    expect(() => prepareCredential({ username: '', password: 'x' })).toThrow(RangeError)
    expect(() => prepareCredential({ username: 'x', password: 'a\nb' })).toThrow(RangeError)
    expect(() => prepareCredential({ username: 'x'.repeat(509), password: 'x' })).toThrow(/508 bytes/)
    expect(() => prepareCredential({ username: 'x', password: undefined as unknown as string })).toThrow(TypeError)
  })
})
