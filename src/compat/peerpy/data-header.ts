/** DATA, the header in front of a payload. */

import { encodeHeader, type Header, requiredField } from './header.ts'
import { type DataType, decodeDataSize } from './hello.ts'

export interface DataHeader {
  readonly sizeBytes: number
  /** Of the payload; not yet known to be one there is. */
  readonly dataType: string
}

export function encodeDataHeader(sizeBytes: number, dataType: DataType): Uint8Array {
  return encodeHeader('DATA', { data_size: String(sizeBytes), data_type: dataType })
}

export function decodeDataHeader(header: Header): DataHeader {
  return {
    sizeBytes: decodeDataSize(requiredField(header, 'data_size')),
    dataType: requiredField(header, 'data_type'),
  }
}
