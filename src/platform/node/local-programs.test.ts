import { expect, test } from 'vitest'
import { socketsOnPort } from './local-programs.ts'

/** `/proc/net/udp` and `/proc/net/udp6` of Linux 6.1 with avahi-daemon. */
const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uuid  timeout inode ref pointer drops
  430: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   108        0 21477 2 0000000000000000 0
  431: 0100007F:14EA 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21478 2 0000000000000000 0
  430: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   109        0 21479 2 0000000000000000 0
`

test('the sockets of a port are found in the tables of the system', () => {
  expect(socketsOnPort(TABLE, 5353)).toEqual([
    { inode: '21477', uid: 108 },
    { inode: '21479', uid: 109 },
  ])
  expect(socketsOnPort(TABLE, 5354)).toEqual([{ inode: '21478', uid: 0 }])
})

test('what is no such table has no sockets', () => {
  for (const text of ['', 'a', 'x: y:14E9', '\u0000\n:::\n'.repeat(9)]) expect(socketsOnPort(text, 5353)).toEqual([])
})
