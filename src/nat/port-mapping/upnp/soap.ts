/** Actions on a UPnP service (UPnP Device Architecture 1.1 section 3.2): SOAP, as little of it as there is. */

import { EarshotError, protocolViolation } from '../../../errors.ts'
import type { Platform } from '../../../platform/platform.ts'
import { printable } from '../mapping-error.ts'
import type { DeviceService } from './device-description.ts'
import { requestHttp } from './http-request.ts'
import { child, childText, escapeXml, parseXml, type XmlElement } from './xml.ts'

export type SoapArguments = Readonly<Record<string, string | number>>

export interface SoapCall {
  readonly service: DeviceService
  readonly action: string
  /** In the order of the service's description. Gets this host's address, as the router will see it. */
  readonly arguments: (localAddress: string) => SoapArguments
  readonly localAddress?: string | undefined
  readonly signal: AbortSignal
}

export interface SoapResult {
  readonly localAddress: string
  /** One of the action's results; '' where it is missing. */
  readonly get: (name: string) => string
}

/** An action that the device refused (section 3.2.2), or the answer that says so. */
export interface SoapFault {
  readonly errorCode: number
  readonly description: string
}

/** The device's error, as the `cause` of the `EarshotError` that it became. */
export class UpnpError extends Error {
  override readonly name = 'UpnpError'
  readonly errorCode: number

  constructor({ errorCode, description }: SoapFault) {
    super(`${errorCode} ${description}`)
    this.errorCode = errorCode
  }
}

/** Which error a device gave; `undefined` where it was another. */
export function upnpErrorCode(error: unknown): number | undefined {
  return error instanceof EarshotError && error.cause instanceof UpnpError ? error.cause.errorCode : undefined
}

/** Rejects with `refused` (`cause` is a `UpnpError`), `unreachable`, `timeout`, `protocol-violation` or `signal.reason`. */
export async function callAction(platform: Platform, call: SoapCall): Promise<SoapResult> {
  const { service, action, signal, localAddress } = call
  const { to, path } = service.control
  const { status, body, ...exchange } = await requestHttp(platform, {
    method: 'POST',
    to,
    localAddress,
    path,
    headers: { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${service.type}#${action}"` },
    body: local => encodeSoapAction(service.type, action, call.arguments(local)),
    signal,
  })
  if (status !== 200 && status !== 500)
    throw protocolViolation(`${to.address} answered ${action} with HTTP status ${status}`)
  const result = decodeSoapAnswer(body, action)
  if ('errorCode' in result) throw refusal(to.address, action, result)
  return { localAddress: exchange.localAddress, get: name => childText(result, name) ?? '' }
}

export function encodeSoapAction(serviceType: string, action: string, args: SoapArguments): string {
  const values = Object.entries(args).map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`)
  return (
    '<?xml version="1.0"?>\r\n' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
    `<s:Body><u:${action} xmlns:u="${serviceType}">${values.join('')}</u:${action}></s:Body></s:Envelope>\r\n`
  )
}

/** The element that holds the results, or what went wrong. Throws `protocol-violation`. */
export function decodeSoapAnswer(bytes: Uint8Array, action: string): XmlElement | SoapFault {
  const body = child(parseXml(new TextDecoder().decode(bytes)), 'Body')
  const response = child(body, `${action}Response`)
  if (response !== undefined) return response
  const fault = child(child(child(body, 'Fault'), 'detail'), 'UPnPError')
  const errorCode = childText(fault, 'errorCode') ?? ''
  if (!/^\d{1,5}$/.test(errorCode)) throw protocolViolation(`an answer to ${action} is neither a response nor a fault`)
  return { errorCode: Number(errorCode), description: printable(childText(fault, 'errorDescription') ?? '') }
}

const HINTS: Readonly<Record<number, string>> = {
  501: 'Routers behind another NAT, as of a carrier, refuse this way: a port cannot be mapped there.',
  606: 'The router forbids port mappings: allow UPnP in its settings.',
  718: 'Another machine has this port: choose another one.',
  728: 'The router has no room for another mapping: close some, or restart it.',
}

function refusal(device: string, action: string, fault: SoapFault): EarshotError {
  const reason = `${fault.errorCode} ${fault.description}`.trim()
  return new EarshotError('refused', `${device} refused ${action}: ${reason}`, {
    hint: HINTS[fault.errorCode] ?? 'Allow UPnP in the router, or forward the port there by hand.',
    reason,
    cause: new UpnpError(fault),
  })
}
