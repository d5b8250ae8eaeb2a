/**
 * Raw `node:tls`: mutual TLS 1.3 with self-signed Ed25519 certificates. "Keys known" means here that each side trusts
 * exactly the other's certificate; contexts are made once, sessions are not resumed.
 */

import { connect, createSecureContext, createServer } from 'node:tls'
import { selfSignedCertificate } from '../certificate.js'
import { FramedStream } from './framed-stream.js'
import { openEndpoint } from './stream-endpoint.js'

export const tls = {
  /** Makes the keys of both sides, once a run: what goes to each worker is `{ acceptor, dialer }`. */
  async prepare() {
    return { acceptor: selfSignedCertificate('acceptor'), dialer: selfSignedCertificate('dialer') }
  },

  open(handlers, { role, keys }) {
    const own = keys[role]
    const trusted = keys[role === 'acceptor' ? 'dialer' : 'acceptor'].cert
    const context = { ...own, ca: trusted, minVersion: 'TLSv1.3' }
    const secureContext = createSecureContext(context)
    const server = createServer(
      { ...context, requestCert: true, rejectUnauthorized: true },
      socket => void new FramedStream(socket, handlers),
    )
    return openEndpoint(server, port => {
      const socket = connect({ host: '127.0.0.1', port, secureContext, checkServerIdentity: () => undefined })
      return { socket, connectedEvent: 'secureConnect', stream: new FramedStream(socket, handlers) }
    })
  },
}
