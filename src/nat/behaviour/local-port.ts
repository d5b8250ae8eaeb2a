/** Local ports chosen by chance: a NAT that keeps them and one that counts must look different. */

import { EarshotError } from '../../errors.ts'
import type { Random } from '../../platform/random.ts'

/** RFC 6335 section 6: the dynamic ports. */
const FIRST_PORT = 49_152
const LAST_PORT = 65_535
/** So many taken ones in a row are no accident. */
const ATTEMPTS = 8

/** What `use` resolves to for a port that was free. */
export async function withLocalPort<Value>(random: Random, use: (port: number) => Promise<Value>): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    const port = FIRST_PORT + Math.floor(random.fraction() * (LAST_PORT - FIRST_PORT + 1))
    try {
      return await use(port)
    } catch (error) {
      const isTaken = error instanceof EarshotError && error.code === 'address-in-use'
      if (!isTaken || attempt === ATTEMPTS) throw error
    }
  }
}
