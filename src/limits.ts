/**
 * All limits, with their reasons. A peer on the other end is hostile until proven otherwise, so every length, count,
 * rate and queue has one. `docs/limits.md` is this page for people; a test compares the two.
 */

// Names and payloads, chosen by the application ---------------------------------------------------------------------

/** RFC 6335 section 5.1: a service name has 1 to 15 characters. */
export const MAX_SERVICE_NAME_LENGTH = 15
/** A display name is one DNS label (RFC 1035 section 2.3.4). */
export const MAX_NAME_BYTES = 63
/** `info` travels in every announcement; with it a TXT record still fits one packet of 1,200 bytes. */
export const MAX_INFO_BYTES = 400
/** `hello` travels once per connection. */
export const MAX_HELLO_BYTES = 16_384

// The handshake -------------------------------------------------------------------------------------------------------

/** A Noise message is at most 65,535 bytes (Noise section 3); a length prefix of 16 bits can say no more. */
export const MAX_NOISE_MESSAGE_BYTES = 65_535
/** Longest handshake message accepted before the peer has proven anything: four times what version 1 needs. */
export const MAX_HANDSHAKE_MESSAGE_BYTES = 1_024
/** A connection that has not become a peer after this long is closed: half-open connections must not pile up. */
export const HANDSHAKE_TIMEOUT_MS = 5_000
/** Half-open connections a room holds at a time; the next one is closed at once with the alert `busy`. */
export const MAX_HALF_OPEN_CONNECTIONS = 128
