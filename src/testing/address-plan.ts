/** Which addresses a simulated network hands out, by the number of the host in it; number 1 is the router's. */

export interface AddressPlan {
  /** With prefix lengths: `['192.168.1.2/24', 'fe80::1:0:1:2/64']`. */
  addressesOf(hostNumber: number): readonly string[]
}

export interface LanAddressOptions {
  /**
   * Give hosts IPv4 addresses: 192.168.N.x in the N-th LAN, or from a /24 of your choice, `'10.0.0.0/24'`. Two LANs may
   * have the same one, as two homes do. @default true
   */
  readonly ipv4?: boolean | string
  /** Give hosts link-local IPv6 addresses, global ones too, or none. @default 'link-local' */
  readonly ipv6?: 'link-local' | 'global' | 'none'
}

export const ROUTER_NUMBER = 1
/** Host numbers begin here. */
export const FIRST_HOST_NUMBER = 2
const LAST_HOST_NUMBER = 254
const HOSTS_PER_SUBNET = LAST_HOST_NUMBER - FIRST_HOST_NUMBER + 1

/** Those for documentation (RFC 5737), as nobody on the real Internet has them. */
const PUBLIC_SUBNETS = ['203.0.113', '198.51.100', '192.0.2']
/** RFC 3849. */
const PUBLIC_PREFIX = '2001:db8:ffff:'

/** The addresses of the N-th LAN. */
export function lanAddressPlan(
  name: string,
  lan: number,
  { ipv4 = true, ipv6 = 'link-local' }: LanAddressOptions,
): AddressPlan {
  const network = typeof ipv4 === 'string' ? subnetOf(ipv4) : `192.168.${lan}`
  const number = lan.toString(16)
  return {
    addressesOf(host) {
      if (ipv4 !== false && host > LAST_HOST_NUMBER) {
        throw new RangeError(`LAN '${name}' is full: an IPv4 /24 has room for ${HOSTS_PER_SUBNET} hosts`)
      }
      const identifier = `${number}:0:1:${host.toString(16)}`
      return [
        ...(ipv4 === false ? [] : [`${network}.${host}/24`]),
        ...(ipv6 === 'none' ? [] : [`fe80::${identifier}/64`]),
        ...(ipv6 === 'global' ? [`2001:db8:0:${number}:${identifier}/64`] : []),
      ]
    },
  }
}

/** Public addresses, IPv4 and IPv6. */
export function internetAddressPlan(): AddressPlan {
  return {
    addressesOf(host) {
      const at = host - ROUTER_NUMBER
      const network = PUBLIC_SUBNETS[Math.floor(at / LAST_HOST_NUMBER)]
      const room = PUBLIC_SUBNETS.length * LAST_HOST_NUMBER - 1
      if (network === undefined) throw new RangeError(`the internet is full: it has room for ${room} hosts and NATs`)
      return [`${network}.${(at % LAST_HOST_NUMBER) + 1}/24`, `${PUBLIC_PREFIX}:${host.toString(16)}/64`]
    },
  }
}

function subnetOf(text: string): string {
  const match = /^(?<network>(?:\d{1,3}\.){2}\d{1,3})\.0\/24$/.exec(text)
  const network = match?.groups?.['network']
  if (network === undefined || network.split('.').some(part => Number(part) > 255))
    throw new RangeError(`ipv4 must be true, false or an IPv4 /24 such as '10.0.0.0/24', not '${text}'`)
  return network
}
