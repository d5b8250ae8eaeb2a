/** What only the system knows, beside the network: `platform/node` asks it, simulated hosts have nothing of it. */
export interface LocalSystem {
  /** The programs that have this UDP port, as people call them: `'avahi-daemon (pid 412)'`. As far as the system tells. */
  udpPortUsers(port: number): readonly string[]
  /** Firewalls that are active on this machine, by name. As far as it can be seen without special rights. */
  firewalls(): readonly string[]
}

export const UNKNOWN_SYSTEM: LocalSystem = { udpPortUsers: () => [], firewalls: () => [] }
