/** Payloads of the three data types. */

import { EarshotError } from '../../errors.ts'
import type { DataType } from './hello.ts'
import { decodePickle } from './pickle-decode.ts'
import { encodePickle } from './pickle-encode.ts'
import { decodeJsonPayload, encodeJsonPayload } from './python-json.ts'

/** @throws EarshotError `invalid-data` for what the type does not carry */
export function encodePayload(dataType: DataType, value: unknown): Uint8Array {
  if (dataType === 'json') return encodeJsonPayload(value)
  if (dataType === 'raw') return encodePickle(value)
  if (value instanceof Uint8Array) return value
  throw new EarshotError(
    'invalid-data',
    `a connection of the data type bytes carries Uint8Array, not ${typeof value}`,
    {
      hint: "Connect with the data type 'json' or 'raw' for other values.",
    },
  )
}

/** @throws EarshotError `protocol-violation` */
export function decodePayload(dataType: DataType, bytes: Uint8Array): unknown {
  if (dataType === 'json') return decodeJsonPayload(bytes)
  return dataType === 'raw' ? decodePickle(bytes) : bytes
}
