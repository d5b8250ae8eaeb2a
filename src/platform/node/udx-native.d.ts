/** What is used of `udx-native`, which has no types of its own. */
declare module 'udx-native' {
  export default class Udx {
    createSocket(options?: { readonly ipv6Only?: boolean }): UdxSocket
    createStream(id: number): UdxStream
  }

  export interface UdxSocket {
    /** Throws the system's error. */
    bind(port: number, host: string): void
    address(): { readonly host: string; readonly port: number }
    trySend(bytes: Uint8Array, port: number, host: string): void
    on(event: 'message', listener: (bytes: Uint8Array, from: UdxAddress) => void): void
    /** Waits until its streams have closed. */
    close(): Promise<void>
  }

  export interface UdxAddress {
    readonly host: string
    readonly port: number
  }

  export interface UdxStream {
    readonly destroyed: boolean
    connect(socket: UdxSocket, remoteId: number, port: number, host: string): void
    write(bytes: Uint8Array): boolean
    setKeepalive(idleMs: number): void
    end(): void
    destroy(): void
    on(event: 'data', listener: (bytes: Uint8Array) => void): this
    on(event: 'error', listener: (error: Error) => void): this
    on(event: 'drain' | 'end' | 'close', listener: () => void): this
  }
}
