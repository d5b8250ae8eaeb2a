/**
 * Self-signed Ed25519 certificates for the TLS reference, written by hand so that the benchmark needs neither the
 * openssl program nor a package: the few DER types that RFC 5280 section 4.1 wants for a subject, a key and a date.
 */

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

const ED25519 = Buffer.from('06032b6570', 'hex') // OID 1.3.101.112 (RFC 8410 section 3)
const COMMON_NAME = Buffer.from('0603550403', 'hex') // OID 2.5.4.3
const VALIDITY_MS = 86_400_000

/** Makes a key pair and its certificate: `{ key, cert }` in PEM, as `node:tls` takes them. Valid for a day. */
export function selfSignedCertificate(commonName) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const algorithm = sequence(ED25519)
  const name = sequence(tagged(0x31, sequence(COMMON_NAME, tagged(0x0c, Buffer.from(commonName)))))
  const now = Date.now()
  const certified = sequence(
    tagged(0xa0, integer(Buffer.of(2))), // version 3
    integer(randomBytes(8)),
    algorithm,
    name,
    sequence(utcTime(now - VALIDITY_MS), utcTime(now + VALIDITY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = tagged(0x03, Buffer.concat([Buffer.of(0), sign(null, certified, privateKey)]))
  const body = sequence(certified, algorithm, signature).toString('base64')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${body.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  }
}

function sequence(...parts) {
  return tagged(0x30, Buffer.concat(parts))
}

/** A positive INTEGER: a leading zero keeps the sign bit off, and none more than needed may stand there. */
function integer(bytes) {
  const start = bytes.findIndex((byte, index) => byte !== 0 || index === bytes.length - 1)
  const magnitude = bytes.subarray(start)
  return tagged(0x02, magnitude[0] & 0x80 ? Buffer.concat([Buffer.of(0), magnitude]) : magnitude)
}

function utcTime(ms) {
  const text = new Date(ms).toISOString() // 2026-11-20T10:00:00.000Z → 261120100000Z
  return tagged(0x17, Buffer.from(`${text.slice(2, 19).replace(/\D/g, '')}Z`))
}

function tagged(tag, content) {
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content])
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), content])
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), content])
}
