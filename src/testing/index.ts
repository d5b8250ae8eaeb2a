/** `earshot/testing`: a simulated network with virtual time, to test programs that use earshot. */

export { memoryStore } from './memory-store.ts'
export type { TracedPacket } from './packet.ts'
export { SeededRandom } from './seeded-random.ts'
export type { AttachOptions, HostState, OpenResource, SimulatedHost } from './simulated-host.ts'
export type { SimulatedInterface } from './simulated-interface.ts'
export type { HostReference, LanOptions, SimulatedLan } from './simulated-lan.ts'
export {
  type HostOptions,
  type Segmentation,
  type SimulatedNetwork,
  type SimulationOptions,
  simulate,
} from './simulated-network.ts'
export type { SimulatedProgram } from './simulated-program.ts'
export type { UntilOptions } from './virtual-time.ts'
