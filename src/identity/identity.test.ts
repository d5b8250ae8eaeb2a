import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { verifyEd25519 } from '../crypto/ed25519.ts'
import type { Random } from '../platform/random.ts'
import type { Store } from '../platform/store.ts'
import { decodeBase32, encodeBase32 } from './base32.ts'
import { generateIdentity, Identity } from './identity.ts'
import { formatPeerId, PEER_ID_LENGTH, parsePeerId, shortPeerId } from './peer-id.ts'
import { loadIdentity } from './stored-identity.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

/** Other bytes with every call. */
function countingRandom(): Random {
  let next = 1
  return { bytes: length => new Uint8Array(length).fill(next++), fraction: () => 0.5 }
}

/** A store whose `writeIfAbsent` loses against another process where `winner` says so. */
function fakeStore(blobs = new Map<string, Uint8Array>(), winner?: Uint8Array): Store {
  return {
    read: async name => blobs.get(name),
    write: async (name, bytes) => void blobs.set(name, bytes),
    writeIfAbsent: async (name, bytes) => {
      if (!blobs.has(name)) blobs.set(name, winner ?? bytes)
      return blobs.get(name)!
    },
    remove: async name => void blobs.delete(name),
  }
}

describe('base32', () => {
  test.each([
    ['', ''],
    ['f', 'my'],
    ['fo', 'mzxq'],
    ['foo', 'mzxw6'],
    ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'],
    ['foobar', 'mzxw6ytboi'],
  ])('%j is %j (RFC 4648 section 10, in lower case, without padding)', (plain, encoded) => {
    expect(encodeBase32(Buffer.from(plain))).toBe(encoded)
    expect(Buffer.from(decodeBase32(encoded)!).toString()).toBe(plain)
  })

  test('every text decodes to nothing or to bytes that are written as this very text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z2-7]{0,60}$/)), text => {
        const bytes = decodeBase32(text)
        if (bytes !== undefined) expect(encodeBase32(bytes)).toBe(text)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array(), bytes => {
        expect(decodeBase32(encodeBase32(bytes))).toEqual(bytes)
      }),
    )
  })

  test.each(['MZXW6', 'mzxw6===', 'mzxw1', 'mz', 'm', 'mzxw6y', 'mz xw6', 'mzxw6é'])('%j is refused', text => {
    expect(decodeBase32(text)).toBeUndefined()
  })
})

describe('a peer id', () => {
  test('is the public key in 52 characters, and comes back', () => {
    fc.assert(
      fc.property(bytes32, publicKey => {
        const id = formatPeerId(publicKey)
        expect(id).toMatch(/^[a-z2-7]{51}[aq]$/)
        expect(parsePeerId(id)).toEqual(publicKey)
        expect(shortPeerId(id)).toBe(id.slice(0, 8))
      }),
    )
  })

  test('has one form only: unused bits, upper case and other lengths are refused', () => {
    const id = formatPeerId(new Uint8Array(32))
    expect(id).toBe('a'.repeat(PEER_ID_LENGTH))
    for (const text of [`${id.slice(0, -1)}b`, id.toUpperCase(), id.slice(1), `${id}a`, '', `${id.slice(0, -1)}1`]) {
      expect(parsePeerId(text)).toBeUndefined()
    }
    expect(() => formatPeerId(new Uint8Array(31))).toThrow(RangeError)
  })
})

describe('an identity', () => {
  test('signs, and everybody who has its id can verify', () => {
    const identity = generateIdentity(countingRandom())
    const message = Buffer.from('message')
    expect(verifyEd25519(parsePeerId(identity.id)!, message, identity.sign(message))).toBe(true)
  })

  test('shows its private key neither in JSON nor in logs', () => {
    const seed = Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i)
    const identity = new Identity(seed)
    expect(JSON.stringify({ identity })).toBe(`{"identity":{"id":"${identity.id}"}}`)
    const shown = inspect(identity, { showHidden: true, depth: 10, maxArrayLength: 100 })
    expect(shown).toContain(identity.id)
    for (const secret of ['a0a1a2', '160, 161', Buffer.from(seed).toString('base64url').slice(0, 8)]) {
      expect(shown.replaceAll(/\s+/g, ' ')).not.toContain(secret)
    }
  })
})

describe('a stored identity', () => {
  const load = (store: Store) => loadIdentity(store, 'me', countingRandom())
  const stored = async (change: (document: Record<string, unknown>) => unknown) => {
    const blobs = new Map<string, Uint8Array>()
    await load(fakeStore(blobs))
    const document = JSON.parse(Buffer.from(blobs.get('me')!).toString())
    return fakeStore(new Map([['me', Buffer.from(JSON.stringify(change(document)))]]))
  }

  test('is made when missing, and the same from then on', async () => {
    const store = fakeStore()
    const { id } = await load(store)
    expect((await loadIdentity(store, 'me', countingRandom())).id).toBe(id)
    expect(
      (await loadIdentity(store, 'other', { bytes: () => new Uint8Array(32).fill(9), fraction: () => 0 })).id,
    ).not.toBe(id)
  })

  test('is the one of the process that stored it first', async () => {
    const blobs = new Map<string, Uint8Array>()
    const { id } = await load(fakeStore(blobs))
    const random: Random = { bytes: () => new Uint8Array(32).fill(99), fraction: () => 0 }
    expect((await loadIdentity(fakeStore(new Map(), blobs.get('me')), 'me', random)).id).toBe(id)
  })

  test.each<[string, (document: Record<string, unknown>) => unknown]>([
    ['it is not an identity', () => ({ some: 'file' })],
    ['it is not an identity', () => null],
    ['it is not an identity', () => [1]],
    ['another version', document => ({ ...document, version: 2 })],
    ['its key is damaged', document => ({ ...document, seed: 'AAAA' })],
    ['its key is damaged', document => ({ ...document, seed: 7 })],
    ['its key does not belong to its id', document => ({ ...document, id: 'a'.repeat(52) })],
  ])('that cannot be used says so (%s) and is left as it is', async (why, change) => {
    const store = await stored(change)
    const before = await store.read('me')
    await expect(load(store)).rejects.toMatchObject({ code: 'invalid-data', message: expect.stringContaining(why) })
    expect(await store.read('me')).toBe(before)
  })

  test('that is no JSON is not quoted: it may be a key', async () => {
    const store = fakeStore(new Map([['me', Buffer.from('{"seed":"topsecret')]]))
    const error = await load(store).then(undefined, (error: unknown) => error)
    expect(error).toMatchObject({ code: 'invalid-data' })
    expect(inspect(error)).not.toContain('topsecret')
  })
})
