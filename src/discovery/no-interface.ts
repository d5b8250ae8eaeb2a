import { EarshotError } from '../errors.ts'

/** The warning of a way of discovery that has no network at the moment; the same for all, so that it is told once. */
export function noInterface(): EarshotError {
  return new EarshotError('no-network', 'there is no interface to look for peers on', {
    hint: '`earshot interfaces` lists the interfaces; one that comes up later is used at once.',
  })
}
