/** What only the system and the process know, beside the network: simulated hosts have nothing of it. */
export interface LocalSystem {
  /** The programs that have this UDP port, as people call them: `'avahi-daemon (pid 412)'`. As far as the system tells. */
  udpPortUsers(port: number): readonly string[]
  /** Firewalls that are active on this machine, by name, as far as all may see them; undefined where nothing can be seen. */
  firewalls(): readonly string[] | undefined
  /** Optional packages beside `udx-native`, each with what loads it: rejects with the package's error as `cause`. */
  readonly packages: readonly LoadablePackage[]
}

export interface LoadablePackage {
  readonly name: string
  /** What does not work without it. */
  readonly without: string
  load(): Promise<unknown>
}

export const UNKNOWN_SYSTEM: LocalSystem = { udpPortUsers: () => [], firewalls: () => [], packages: [] }
