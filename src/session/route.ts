/** How a connection leads to the peer. */

/** 'lan': dialled by its address, or within one subnet. 'direct': through NATs. 'relay': somebody between carries it. */
export type RouteKind = 'lan' | 'direct' | 'relay'

export interface Route {
  readonly kind: RouteKind
  /** What carries the stream of bytes; 'udp' for a reliable stream over it. */
  readonly transport: 'tcp' | 'udp'
  /** Who relays: `'ip:port'` of a TURN server's address, or the id of a peer; undefined for other kinds. */
  readonly relay: string | undefined
}

/** The route of a connection that was dialled by its address. */
export const DIALLED: Route = { kind: 'lan', transport: 'tcp', relay: undefined }
