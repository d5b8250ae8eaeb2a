import { MAX_HEARD_DEVICES } from '../limits.ts'

/** Addresses are easily forged: a flood of them is not remembered. */
export function addUpTo(heard: Set<string>, address: string): void {
  if (heard.size < MAX_HEARD_DEVICES) heard.add(address)
}
