/**
 * A UPnP Internet Gateway Device on the router of a simulated NAT: SSDP, description, WANIPConnection version 1 or 2, and
 * WANIPv6FirewallControl. It lies where a test wants it to.
 */

import type { SocketAddress, TcpConnection, UdpSocket } from '../../src/platform/network.ts'
import type { Platform } from '../../src/platform/platform.ts'
import type { ExplicitPortMapping, SimulatedNat } from '../../src/testing/index.ts'
import { GatewayMappings } from './gateway-mappings.ts'

const HTTP_PORT = 5_000
const SSDP_PORT = 1_900
const DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:'

export interface FakeUpnpOptions {
  /** Of WANIPConnection and InternetGatewayDevice. @default 1 */
  readonly version?: 1 | 2
  readonly externalAddress?: string
  /** Errors to give, by action; taken from the front, the last one stays where it is a number. */
  readonly errors?: Readonly<Record<string, number | number[]>>
  /** Instead of the true one. */
  readonly location?: string
  /** Instead of an answer to SSDP. */
  readonly ssdpAnswer?: string
  /** Instead of the description. */
  readonly description?: string
  /** Instead of an HTTP response: what is sent, and whether the connection ends then. */
  readonly http?: (path: string) => { readonly bytes: Uint8Array; readonly ends: boolean } | undefined
  readonly controlUrl?: string
  readonly urlBase?: string
  /** Answers the group. @default true */
  readonly multicast?: boolean
  /** Sends responses in chunks. @default false */
  readonly chunked?: boolean
  readonly ipv6?: boolean
}

export interface FakeCall {
  readonly at: number
  readonly action: string
  readonly args: Readonly<Record<string, string>>
  readonly from: string
}

export class FakeUpnpGateway {
  options: FakeUpnpOptions
  readonly calls: FakeCall[] = []
  readonly paths: string[] = []
  readonly #platform: Platform
  readonly #nat: SimulatedNat
  readonly #mappings: GatewayMappings
  readonly #pinholes = new Map<string, ExplicitPortMapping>()
  #sockets: readonly UdpSocket[] = []

  /** `platform` is where it runs. @default the router of `nat` */
  static async start(
    nat: SimulatedNat,
    options: FakeUpnpOptions = {},
    platform: Platform = nat.router.network,
  ): Promise<FakeUpnpGateway> {
    const gateway = new FakeUpnpGateway(nat, options, platform)
    await gateway.#listen()
    return gateway
  }

  constructor(nat: SimulatedNat, options: FakeUpnpOptions, platform: Platform) {
    this.options = options
    this.#nat = nat
    this.#platform = platform
    this.#mappings = new GatewayMappings(nat)
  }

  async #listen(): Promise<void> {
    const { network } = this.#platform
    const lan = network.interfaces().find(({ name }) => name === 'lan0' || name === 'eth0')!.name
    const open = async (address: string, group: string) => {
      const options = { address, port: SSDP_PORT, sharePort: true, multicastInterface: lan }
      const socket: UdpSocket = await network.openUdp(options, {
        onDatagram: (bytes, remote) => this.#search(new TextDecoder().decode(bytes), remote, socket),
        onError() {},
      })
      if (this.options.multicast !== false) socket.joinGroup(group)
      return socket
    }
    this.#sockets = [await open('0.0.0.0', '239.255.255.250')]
    if (this.options.ipv6) this.#sockets = [...this.#sockets, await open('::', 'ff02::c')]
    await network.listenTcp({ host: '::', port: HTTP_PORT }, connection => new HttpServerConnection(connection, this))
  }

  #search(text: string, remote: SocketAddress, socket: UdpSocket): void {
    const { version = 1, ssdpAnswer, location } = this.options
    const target = /^ST: (.*)\r$/m.exec(text)?.[1] ?? ''
    if (!text.startsWith('M-SEARCH * HTTP/1.1\r\n') || !text.includes('MAN: "ssdp:discover"\r\n')) return
    if (!target.startsWith(DEVICE) || Number(target.slice(DEVICE.length)) > version) return
    const own = this.#ownAddress(remote)
    const answer = [
      'HTTP/1.1 200 OK',
      'CACHE-CONTROL: max-age=120',
      `ST: ${target}`,
      `USN: uuid:1234::${target}`,
      'EXT:',
      'SERVER: Fake/1.0 UPnP/1.1 Fake/1.0',
      `LOCATION: ${location ?? `http://${own.includes(':') ? `[${own}]` : own}:${HTTP_PORT}/rootDesc.xml`}`,
    ].join('\r\n')
    socket.send(new TextEncoder().encode(ssdpAnswer ?? `${answer}\r\n\r\n`), remote)
  }

  /** The one towards who asks. */
  #ownAddress({ address }: SocketAddress): string {
    const lan = this.#platform.network.interfaces().find(({ name }) => name === 'lan0' || name === 'eth0')!
    const family = address.includes(':') ? 'ipv6' : 'ipv4'
    return lan.addresses.find(own => own.family === family)!.address
  }

  respond(path: string, headers: string, body: string, from: string): { bytes: Uint8Array; ends: boolean } {
    this.paths.push(path)
    const special = this.options.http?.(path)
    if (special !== undefined) return special
    const { status, xml } =
      path === '/rootDesc.xml'
        ? { status: '200 OK', xml: this.options.description ?? this.#description() }
        : this.#act(headers, body, from)
    return { bytes: encodeResponse(status, xml, this.options.chunked ?? false), ends: true }
  }

  #description(): string {
    const { version = 1, controlUrl = '/ctl/IPConn', urlBase, ipv6 } = this.options
    const service = (type: string, url: string) =>
      `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><serviceId>x</serviceId><controlURL>${url}</controlURL></service>`
    const firewall = ipv6 ? service('WANIPv6FirewallControl:1', '/ctl/IP6FCtl') : ''
    return (
      '<?xml version="1.0"?>\n<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major></specVersion>' +
      `${urlBase === undefined ? '' : `<URLBase>${urlBase}</URLBase>`}` +
      `<device><deviceType>${DEVICE}${version}</deviceType><friendlyName>AT&T router</friendlyName>` +
      `<serviceList>${service('Layer3Forwarding:1', '/ctl/L3F')}</serviceList>` +
      `<deviceList><device><deviceType>WANDevice</deviceType><deviceList><device><!-- here --><serviceList>` +
      `${service(`WANIPConnection:${version}`, controlUrl)}${firewall}` +
      '</serviceList></device></deviceList></device></deviceList></device></root>\0'
    )
  }

  #act(headers: string, body: string, from: string): { status: string; xml: string } {
    const action = /^SOAPAction: "(?:.*)#(.*)"\r?$/im.exec(headers)?.[1] ?? ''
    const args = Object.fromEntries(
      [...body.matchAll(/<(\w+)>([^<]*)<\/\1>/g)].map(([, name, value]) => [name!, value!]),
    )
    this.calls.push({ at: this.#platform.clock.now(), action, args, from })
    const error = this.#nextError(action)
    const result = error ?? this.#perform(action, args, from)
    return typeof result === 'number'
      ? {
          status: '500 Internal Server Error',
          xml: soap(
            `<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${result}</errorCode><errorDescription>Error${result}</errorDescription></UPnPError></detail></s:Fault>`,
          ),
        }
      : {
          status: '200 OK',
          xml: soap(
            `<u:${action}Response xmlns:u="x">${Object.entries(result)
              .map(([name, value]) => `<${name}>${value}</${name}>`)
              .join('')}</u:${action}Response>`,
          ),
        }
  }

  #nextError(action: string): number | undefined {
    const errors = this.options.errors?.[action]
    return typeof errors === 'number' ? errors : errors?.shift()
  }

  #perform(
    action: string,
    args: Readonly<Record<string, string>>,
    from: string,
  ): Record<string, string | number> | number {
    const protocol = args['NewProtocol'] === 'UDP' ? 'udp' : 'tcp'
    const externalPort = Number(args['NewExternalPort'])
    if (action === 'GetExternalIPAddress')
      return { NewExternalIPAddress: this.options.externalAddress ?? this.#nat.externalAddress }
    if (action === 'AddPortMapping') return this.#add(args, protocol, true) === undefined ? 718 : {}
    if (action === 'AddAnyPortMapping') return { NewReservedPort: this.#add(args, protocol, false)?.externalPort ?? 0 }
    if (action === 'DeletePortMapping') {
      const mapping = this.#mappings.find(protocol, externalPort)
      return mapping && this.#mappings.remove(mapping) ? {} : 714
    }
    return this.#performPinhole(action, args, from)
  }

  #add(
    args: Readonly<Record<string, string>>,
    protocol: 'udp' | 'tcp',
    isExact: boolean,
  ): ExplicitPortMapping | undefined {
    const leaseSeconds = Number(args['NewLeaseDuration'])
    const asked = {
      protocol,
      internalAddress: args['NewInternalClient']!,
      internalPort: Number(args['NewInternalPort']),
      externalPort: Number(args['NewExternalPort']),
      lifetimeMs: leaseSeconds === 0 ? Infinity : leaseSeconds * 1_000,
      owner: 'upnp',
    }
    const made = this.#mappings.add(asked, isExact)
    return typeof made === 'string' ? undefined : made
  }

  #performPinhole(
    action: string,
    args: Readonly<Record<string, string>>,
    from: string,
  ): Record<string, string | number> | number {
    const id = args['UniqueID'] ?? ''
    if (action === 'AddPinhole') {
      if (args['InternalClient'] !== from) return 606
      const added = String(this.#pinholes.size + 1)
      this.#pinholes.set(added, this.#openPinhole(args, Number(args['LeaseTime'])))
      return { UniqueID: added }
    }
    const pinhole = this.#pinholes.get(id)
    if (pinhole === undefined || !this.#nat.mappings.some(({ internalPort }) => internalPort === pinhole.internalPort))
      return 704
    if (action === 'UpdatePinhole') {
      const { internalAddress, internalPort, protocol } = pinhole
      this.#nat.map({ protocol, internalAddress, internalPort, lifetimeMs: Number(args['NewLeaseTime']) * 1_000 })
    } else if (action === 'DeletePinhole') pinhole.remove()
    else return 401
    return {}
  }

  #openPinhole(args: Readonly<Record<string, string>>, leaseSeconds: number): ExplicitPortMapping {
    return this.#nat.map({
      protocol: args['Protocol'] === '17' ? 'udp' : 'tcp',
      internalAddress: args['InternalClient']!,
      internalPort: Number(args['InternalPort']),
      lifetimeMs: leaseSeconds * 1_000,
    })
  }
}

function soap(content: string): string {
  return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${content}</s:Body></s:Envelope>`
}

function encodeResponse(status: string, xml: string, chunked: boolean): Uint8Array {
  const length = new TextEncoder().encode(xml).length
  const half = Math.floor(xml.length / 2)
  const chunk = (text: string) => `${new TextEncoder().encode(text).length.toString(16)}\r\n${text}\r\n`
  const body = chunked ? `${chunk(xml.slice(0, half))}${chunk(xml.slice(half))}0\r\n\r\n` : xml
  const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
  return new TextEncoder().encode(
    `HTTP/1.1 ${status}\r\nContent-Type: text/xml\r\n${framing}\r\nConnection: close\r\n\r\n${body}`,
  )
}

class HttpServerConnection {
  #text = ''

  constructor(connection: TcpConnection, gateway: FakeUpnpGateway) {
    connection.start({
      onData: bytes => {
        this.#text += new TextDecoder().decode(bytes)
        const [head = '', body] = this.#text.split('\r\n\r\n')
        const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
        if (body === undefined || body.length < length) return
        const path = /^(?:GET|POST) (\S+) HTTP\/1\.1/.exec(head)?.[1] ?? ''
        const { bytes: response, ends } = gateway.respond(path, head, body, connection.remote.address)
        connection.write(response)
        if (ends) connection.end()
      },
      onDrain() {},
      onEnd: () => connection.end(),
      onClose() {},
    })
  }
}
