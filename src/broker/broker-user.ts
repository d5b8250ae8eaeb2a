/** Who is let in by a broker that does not let in everybody. */
export interface BrokerUser {
  readonly name: string
  readonly password: string
}
