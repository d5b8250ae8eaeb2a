/** `earshot/testing`: a simulated network with virtual time, to test programs that use earshot. */

export { memoryStore } from './memory-store.ts'
export type { NatBehaviour, NatDependence, NatKind, PortAllocation } from './nat-behaviour.ts'
export type { TracedPacket } from './packet.ts'
export { SeededRandom } from './seeded-random.ts'
export type { DiskFileOptions, SimulatedDisk } from './simulated-disk.ts'
export type { AttachOptions, HostState, OpenResource, SimulatedHost } from './simulated-host.ts'
export type { SimulatedInterface } from './simulated-interface.ts'
export type { HostReference, LanOptions, SimulatedLan } from './simulated-lan.ts'
export type {
  DescribedMapping,
  ExplicitPortMapping,
  PortMappingRequest,
  RestartOptions,
  SimulatedNat,
} from './simulated-nat.ts'
export {
  type HostOptions,
  type NatOptions,
  type Segmentation,
  type SimulatedNetwork,
  type SimulationOptions,
  simulate,
} from './simulated-network.ts'
export type { SimulatedProgram } from './simulated-program.ts'
export type { UntilOptions } from './virtual-time.ts'
