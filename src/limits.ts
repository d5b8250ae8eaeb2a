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
/** Half-open connections a room holds at a time; for the next one the oldest of the host with most is closed. */
export const MAX_HALF_OPEN_CONNECTIONS = 128

// Keys and records ----------------------------------------------------------------------------------------------------

/** Records sealed with one key. Years at full speed, and far from 2^53, where a counter would stop counting exactly. */
export const MAX_RECORDS_PER_KEY = 281_474_976_710_656
/** Room secrets, in UTF-8: longer than anybody types, and short enough to hash at once. */
export const MAX_SECRET_BYTES = 1_024
/** Identity proofs a room remembers as verified, the oldest forgotten first: dialling a known peer again is cheaper. */
export const MAX_CACHED_PROOFS = 1_024

// Sessions ------------------------------------------------------------------------------------------------------------

/** Longest reliable message, question or answer, encoded. What is larger is a file or a stream. */
export const MAX_MESSAGE_BYTES = 16_777_216
/** Frames longer than this are cut into fragments, so that others pass between them. */
export const MAX_WHOLE_FRAME_BYTES = 16_384
/** Credit a session gives at its start for messages, and as much again for questions and answers. */
export const INITIAL_CREDIT_BYTES = 1_048_576
/** Credit that a session uses at most, whatever the other side gives: so much may wait in the system's buffers. */
export const MAX_CREDIT_BYTES = 16_777_216
/** Frames waiting for credit in one session; beyond it `send` rejects with `limit-reached`: await `send`. */
export const MAX_SEND_QUEUE_BYTES = 67_108_864
/** Bytes of unfinished large messages in one room; beyond it the session that holds most ends. */
export const MAX_REASSEMBLY_BYTES = 268_435_456
/** Different names of channels and questions in one direction of one session. */
export const MAX_LABELS = 1_024
/** A channel's or question's name, in UTF-8. */
export const MAX_LABEL_BYTES = 128
/** Questions of one peer being answered at a time; the next one is answered with `limit-reached`. */
export const MAX_OPEN_QUESTIONS = 4_096
/** Their bytes: an answering function that takes its time holds what it was asked. Two of the longest fit. */
export const MAX_OPEN_QUESTION_BYTES = 33_554_432
/** The same in one room, each question as 1 KiB more, whoever asked: counted until their functions have ended. */
export const MAX_ANSWERING_BYTES = 268_435_456
/** Of these, asked by peers of one host. */
export const MAX_ANSWERING_BYTES_PER_HOST = 134_217_728
/** Text that says why: reasons of goodbyes, refusals and failed answers, in UTF-8. */
export const MAX_REASON_BYTES = 512
/** Silence after which a peer is asked for a sign of life. */
export const HEARTBEAT_MS = 2_000
/** Silence after which a peer is `quiet`; with the tick of one second it is told within 5 s. */
export const QUIET_AFTER_MS = 4_000
/** Silence after which a path counts as broken. */
export const LOST_AFTER_MS = 12_000
/** Connections under one session: a wire, a radio, and one more of each while they change. */
export const MAX_PATHS = 4
/** How long a session without a path is kept, where the application does not say: walking through a dead spot. */
export const AWAY_TIMEOUT_MS = 60_000
/** The longest that an application can ask for: a session of yesterday is no use to anybody. */
export const MAX_AWAY_TIMEOUT_MS = 86_400_000
/** Peers of one address that are away at a time; beyond it the first is given up. Identities cost nothing, places do. */
export const MAX_AWAY_PER_ADDRESS = 128
/** Records kept for a peer that has not acknowledged them, in bytes, with 256 added for each; then nothing more is sent to it. */
export const MAX_UNACKNOWLEDGED_BYTES = 33_554_432
/** Records that arrived are acknowledged after so many, so that the sender need not keep them… */
export const ACKNOWLEDGE_AFTER_RECORDS = 64
/** …after so many bytes, or within a second. */
export const ACKNOWLEDGE_AFTER_BYTES = 131_072
/** How long `close()` waits for queues to empty and for the other side to hang up. */
export const CLOSE_TIMEOUT_MS = 1_000
/** How much of that is for the queues: then the goodbye leaves. */
export const CLOSE_FLUSH_MS = 800

// Datagrams -----------------------------------------------------------------------------------------------------------

/** UDP payload of one datagram: passes every path on which IPv6 works (RFC 8200 section 5), with room for tunnels. */
export const DATAGRAM_BYTES = 1_200
/** Longest message of `delivery: 'unreliable'`, encoded: what one datagram carries beside headers and the tag. */
export const MAX_UNRELIABLE_BYTES = 1_160
/** Longest value of `delivery: 'latest'`, encoded: 57 datagrams, all of which must arrive. */
export const MAX_LATEST_BYTES = 65_536
/** Packet numbers looked back at for replays: what is overtaken by more than this is dropped. */
export const REPLAY_WINDOW_PACKETS = 2_048
/** Datagrams of one peer handled per second; what is above is dropped unread. */
export const MAX_DATAGRAMS_PER_SECOND = 65_536
/** Datagrams that claim to be of one peer and are forged, per second; above it that peer's are dropped unread. */
export const MAX_FORGED_DATAGRAMS_PER_SECOND = 1_024
/** Values of 'latest' that one peer sends in fragments, unfinished; beyond it the one begun first is dropped. */
export const MAX_PARTIAL_VALUES = 8
/** Messages of 'unreliable' that wait for one peer; beyond it the oldest is dropped. */
export const MAX_UNRELIABLE_QUEUE_MESSAGES = 1_024
/** Their bytes. */
export const MAX_UNRELIABLE_QUEUE_BYTES = 262_144
/** Datagrams that wait for the system in one socket; then messages wait where newer ones replace them. */
export const MAX_UDP_QUEUE_DATAGRAMS = 64
/** Messages of 'unreliable' and 'latest' that an application has not read; beyond it the oldest is dropped. */
export const MAX_UNREAD_UNRELIABLE_MESSAGES = 1_024
/** Their bytes. */
export const MAX_UNREAD_UNRELIABLE_BYTES = 1_048_576
/** Challenges of one peer answered per second: honest ones are five at most, and a datagram has room for 580. */
export const MAX_PATH_RESPONSES_PER_SECOND = 32
/** How often a path in use is asked whether datagrams still get through. */
export const PATH_CHALLENGE_MS = 2_000
/** How soon that is asked again where no answer comes. */
export const PATH_RETRY_MS = 500
/** Silence after such a question, after which messages ride the session. */
export const PATH_ANSWER_TIMEOUT_MS = 3_000
/** A path that has never answered is asked again after this long, then after twice as long each time, */
export const PATH_FIRST_RETRY_MS = 200
/** and at last this seldom. */
export const PATH_LAST_RETRY_MS = 30_000
/** The last value of 'latest' also rides the session when no newer one follows it so soon: it must not get lost. */
export const LATEST_SETTLE_MS = 200

// Multicast DNS and DNS-SD ----------------------------------------------------------------------------------------------

/** RFC 6762 section 17: no multicast DNS packet is longer, IP and UDP headers included. */
export const MAX_MDNS_PACKET_BYTES = 9_000
/** What is sent: fits one Ethernet frame behind the headers of IPv6 and UDP (RFC 6762 section 17). */
export const MDNS_PAYLOAD_BYTES = 1_440
/** Entries of one packet; a packet of 9,000 bytes with compressed names has about 300 of them. */
export const MAX_MDNS_ENTRIES = 512
/** Compression pointers followed in one name; honest names have one or two. */
export const MAX_NAME_POINTERS = 16
/** Packets handled per second on one interface and family; what is above is dropped unread. */
export const MAX_MDNS_PACKETS_PER_SECOND = 2_000
/** Records remembered per interface and family; further ones are not taken until others expire. */
export const MAX_CACHED_RECORDS = 8_192
/** Of these, from one source address: one liar cannot fill the cache alone. */
export const MAX_CACHED_RECORDS_PER_SOURCE = 4_096
/** Service instances under one type (PTR records of one name); as many peers a room can hear of. */
export const MAX_CACHED_POINTERS_PER_NAME = 1_024
/** Records of one name and any other type: a host with more addresses than this keeps the first. */
export const MAX_CACHED_RECORDS_PER_SET = 16
/** A record is believed at most this long whatever its TTL says: the TTL that RFC 6762 section 10 recommends. */
export const MAX_RECORD_TTL_SECONDS = 4_500
/** Queriers whose known answers are gathered at a time (RFC 6762 section 7.2). */
export const MAX_TRUNCATED_QUERIERS = 64
/** Questions remembered of one such querier. */
export const MAX_GATHERED_QUESTIONS = 64
/** Unicast answers waiting for their few milliseconds of jitter; beyond it a flood of questions goes unanswered. */
export const MAX_DELAYED_UNICAST_ANSWERS = 64
/** Answers that wait for their moment on one interface and family. */
export const MAX_PENDING_ANSWERS = 1_024
/** Bytes of a TXT record (RFC 6763 section 6.2: larger ones do not fit one packet). */
export const MAX_TXT_BYTES = 1_300
/** Addresses listed for one service instance. */
export const MAX_INSTANCE_ADDRESSES = 32
/** Goodbyes remembered for a moment, per link, and by the beacon: what was said before one may be read after it. */
export const MAX_REMEMBERED_GOODBYES = 256

// The beacon ------------------------------------------------------------------------------------------------------------

/** Packets are half of this; what is longer is none of ours. It fits every link without fragments. */
export const MAX_BEACON_PACKET_BYTES = 1_200
/** Packets handled per second on one link; what is above is dropped unread. */
export const MAX_BEACON_PACKETS_PER_SECOND = 2_000
/** Askers answered by unicast per second; for all above it there is one announcement. */
export const MAX_BEACON_ANSWERS_PER_SECOND = 32
/** Of these, at one address: somebody may ask in its name. */
export const MAX_BEACON_ANSWERS_PER_ADDRESS = 16
/** Peers remembered, once for each address they were heard from; further ones are not taken until others are gone. */
export const MAX_BEACON_ENTRIES = 4_096
/** Of these, heard from one address: one liar cannot fill the table alone. */
export const MAX_BEACON_ENTRIES_PER_SOURCE = 512
/** Addresses that one peer was heard from. */
export const MAX_BEACON_ENTRIES_PER_PEER = 16

// Port mapping ----------------------------------------------------------------------------------------------------------

/** Routers asked at a time: a machine has one or two default routes, and a guess for each interface elsewhere. */
export const MAX_GATEWAYS = 4
/** Ports mapped by one program: it has a handful, and routers keep lists of a few hundred. */
export const MAX_PORT_MAPPINGS = 64
/** RFC 6887 section 7: no PCP message is longer. */
export const MAX_PCP_MESSAGE_BYTES = 1_100
/** Datagrams of a gateway looked at for one request. */
export const MAX_GATEWAY_ANSWERS = 64
/** A mapping is believed at most this long, whatever its gateway grants (RFC 6887 section 15). */
export const MAX_MAPPING_LIFETIME_MS = 86_400_000
/** RFC 6887 section 11.2.1: a gateway that grants seconds is not asked more often than this. */
export const MIN_RENEWAL_INTERVAL_MS = 4_000
/** Announcements of gateways, which anybody on the link can forge, cause a renewal at most this often. */
export const ANNOUNCEMENT_INTERVAL_MS = 30_000
/** An answer to an SSDP search; those of routers have a few hundred bytes. */
export const MAX_SSDP_MESSAGE_BYTES = 4_096
/** Answers to one search that are looked at: every device may answer several times. */
export const MAX_SSDP_ANSWERS = 64
/** Devices whose description is read in one search, and connections of one device that are tried. */
export const MAX_UPNP_DEVICES = 4
/** An HTTP response of a router, head and body: descriptions have 5 to 30 kB. */
export const MAX_UPNP_RESPONSE_BYTES = 131_072
/** Header fields of such a response. */
export const MAX_HTTP_HEADERS = 100
/** Nested elements of an XML document; a device description has nine. */
export const MAX_XML_DEPTH = 32
/** Elements of an XML document; a device description has about two hundred. */
export const MAX_XML_ELEMENTS = 4_096

// The rendezvous --------------------------------------------------------------------------------------------------------

/** The largest of the three sizes in which packets are published; what is longer is none of ours. */
export const MAX_RENDEZVOUS_PACKET_BYTES = 4_096
/** Longest message of one peer to another over the rendezvous: what such a packet carries beside keys and signature. */
export const MAX_SIGNAL_BYTES = 3_926
/** Brokers that one room uses at a time: each is a connection, and every message is published to all of them. */
export const MAX_BROKERS = 8
/** Packets of one broker looked at per second; each costs a key agreement. What is above is dropped unread. */
export const MAX_RENDEZVOUS_PACKETS_PER_SECOND = 256
/** Packets of one topic remembered because several brokers deliver the same, the oldest forgotten first. */
export const MAX_REMEMBERED_PACKETS = 4_096
/** By how much the time in a message may differ from ours, so that what is older need not be remembered. */
export const RENDEZVOUS_CLOCK_TOLERANCE_MS = 120_000
/** Authentic messages taken per second from everybody together… */
export const MAX_SIGNALS_PER_SECOND = 128
/** …and from one sender; senders keep to it themselves. */
export const MAX_SIGNALS_PER_SECOND_PER_SENDER = 16
/** Messages remembered against replays: more than can come while the time in them is accepted. */
export const MAX_REMEMBERED_SIGNALS = 32_768
/** Peers whose rate is remembered, the one silent longest forgotten first. */
export const MAX_SIGNAL_SENDERS = 2_048
/** Peers of a group who are asked a second whether they are there still, since a common peer says that they are gone. */
export const MAX_DOUBTS_PER_SECOND = 1
/** Peers of a group whose presence is remembered; further ones are not taken until others are gone. */
export const MAX_GROUP_MEMBERS = 1_024
/** Ids that one room asks for by name. */
export const MAX_WATCHED_PEERS = 256
/** How often a peer says again that it is there: it costs everybody a message, and sessions notice themselves who is gone. */
export const PRESENCE_REFRESH_MS = 600_000
/** Silence after which a peer counts as gone: two such messages may get lost. */
export const PRESENCE_TIMEOUT_MS = 1_500_000
/** How long a broker may take to let us in. */
export const RENDEZVOUS_CONNECT_TIMEOUT_MS = 10_000
/** How long it may take to acknowledge what was published; then the connection counts as broken. */
export const RENDEZVOUS_PUBLISH_TIMEOUT_MS = 10_000
/** Silence after which a broker is asked for a sign of life: most NATs keep TCP mappings far longer. */
export const RENDEZVOUS_KEEPALIVE_MS = 60_000
/** Messages published to one broker that it has not acknowledged; the next one is refused. */
export const MAX_UNACKNOWLEDGED_PUBLISHES = 256
/** Longest MQTT packet taken from a broker or a client of our own one: twice what we publish. */
export const MAX_MQTT_PACKET_BYTES = 8_192

// A broker of one's own ---------------------------------------------------------------------------------------------------

/** Connections to `earshot broker`. */
export const MAX_BROKER_CLIENTS = 1_024
/** Of these, from one address: peers behind one NAT share theirs. */
export const MAX_BROKER_CLIENTS_PER_HOST = 64
/** MQTT packets of one client per second; beyond it the client is disconnected. */
export const MAX_BROKER_PACKETS_PER_SECOND = 64
/** Topics that one client may subscribe to: a room needs four at most. */
export const MAX_BROKER_SUBSCRIPTIONS = 64
/** How long a connection may take to say what it is, and a client to take what is sent to it. */
export const BROKER_PATIENCE_MS = 10_000

// Values --------------------------------------------------------------------------------------------------------------

/** How deep arrays and objects may be nested in a value that is sent: deeper ones are mostly cycles. */
export const MAX_VALUE_DEPTH = 100
/** Elements, keys and entries of one value: an empty array is one byte on the wire, and a hundred times that here. */
export const MAX_VALUE_ITEMS = 1_000_000
/** Longest BigInt accepted, in bytes: decoding takes time with the square of its length. */
export const MAX_BIGINT_BYTES = 1_024

// Questions -----------------------------------------------------------------------------------------------------------

/** Items of a streamed answer that may be under way, unread by the asker. */
export const ANSWER_ITEM_WINDOW = 32
/** So many bytes of an item count as one more: unread items are bounded in bytes, too. */
export const ANSWER_ITEM_BYTES = 16_384

// Streams -------------------------------------------------------------------------------------------------------------

/** Streams of one session that each side may have opened at a time: each costs both sides some objects. */
export const MAX_OPEN_STREAMS = 1_024
/** The header of a stream, encoded: it goes in one frame, and says what is to come; the rest is the stream itself. */
export const MAX_STREAM_HEADER_BYTES = 8_192
/** What may be under way unread in one direction of a stream at its start. One record, so that many streams fit. */
export const STREAM_WINDOW_BYTES = 65_536
/** What may be when its reader is fast: 1 Gbit/s over 30 ms. So much is kept to be sent again, too. */
export const MAX_STREAM_WINDOW_BYTES = 4_194_304
/** By how much all windows of one session may have grown together: sixteen streams at full speed. */
export const MAX_STREAM_WINDOW_GROWTH_BYTES = 67_108_864

// Rooms ---------------------------------------------------------------------------------------------------------------

/** Peers connected to one room: a full mesh of more is a design to reconsider, and each costs memory and heartbeats. */
export const MAX_PEERS = 1_024
/** Half-open connections from one address: one host must not take all places. */
export const MAX_HALF_OPEN_PER_ADDRESS = 64
/** Handshakes that callers may begin in one second: each costs a key agreement. */
export const MAX_HANDSHAKES_PER_SECOND = 1_024
/** Of these, from one address. */
export const MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS = 256
/** How long an application may think in `admit`, for example ask a person. */
export const ADMISSION_TIMEOUT_MS = 60_000
/** Callers waiting for an application's `admit`. */
export const MAX_UNDECIDED_CONNECTIONS = 128
/** Of these, from one address. */
export const MAX_UNDECIDED_PER_ADDRESS = 64
/** Callers of whom a room remembers what `admit` said, the oldest forgotten first. */
export const MAX_REMEMBERED_VERDICTS = 1_024
/** Sessions of kicked peers, which may not have heard of it, that a room remembers, the oldest forgotten first. */
export const MAX_PARTED_SESSIONS = 1_024
/** Messages that wait for the first listener; beyond it the oldest is dropped with a warning. */
export const MAX_BACKLOG_MESSAGES = 1_000
/** Their bytes. */
export const MAX_BACKLOG_BYTES = 4_194_304
/** Warnings kept for the first listener. */
export const MAX_WARNING_BACKLOG = 16
/** Peers seen but not connected that a room remembers; beyond it further ones are ignored until some are lost. */
export const MAX_SIGHTINGS = 4_096
/** Addresses tried for one peer. */
export const MAX_ADDRESSES_PER_PEER = 16
/** Dials under way in one room; further ones wait. */
export const MAX_PARALLEL_DIALS = 32
/** Letters of one peer that are carried to others: descriptions of paths take about one a second, presence less. */
export const MAX_LETTERS_PER_SECOND = 16
/** Of these, letters that concern everybody: each becomes as many as there are peers. */
export const MAX_GROUP_LETTERS_PER_SECOND = 2
/** Letters handed on, of all peers together. */
export const MAX_CARRIED_LETTERS_PER_SECOND = 4_096
/** Common peers that are asked to carry one letter: those that relay first. */
export const MAX_CARRIERS = 4
/** Peers of whom it is remembered who carries letters to them, the one written to longest ago forgotten first. */
export const MAX_REMEMBERED_CARRIERS = 256
/** Streams that a volunteer relays, of all peers, and of one: each is a connection between two peers. */
export const MAX_RELAYED_STREAMS = 256
export const MAX_RELAYED_STREAMS_PER_PEER = 32
/** Peers who are looked for over the Internet at a time and are none yet: each costs sockets, and questions to servers. */
export const MAX_TRAVERSALS_UNDER_WAY = 64
/** How long such a peer is looked for where nobody waits for it, in milliseconds. */
export const TRAVERSAL_TIMEOUT_MS = 60_000
/** Offers and answers of one room that wait for their other half; each has sockets, and keeps mappings of the NAT alive. */
export const MAX_OPEN_OFFERS = 8
/** How long one waits, in milliseconds: a person copies texts back and forth. */
export const OFFER_LIFETIME_MS = 600_000
/** By how much the time in an offer may be ahead of ours, and how much older than its lifetime it may seem. */
export const OFFER_CLOCK_TOLERANCE_MS = 300_000
/** A pasted text, with what mail programs have put into it; the longest is about 3,000 characters. */
export const MAX_OFFER_TEXT_CHARACTERS = 16_384
/** Peers and addresses of which a room remembers that it told why they do not let it in, for each cause. */
export const MAX_TOLD_REFUSALS = 256

// NAT traversal -------------------------------------------------------------------------------------------------------

/** Attributes of one STUN message; honest ones have about ten. */
export const MAX_STUN_ATTRIBUTES = 64
/** RFC 8489 sections 14.8 to 14.14: realm, nonce, software and reason phrase have fewer than 128 characters. */
export const MAX_STUN_TEXT_BYTES = 763
/** RFC 8489 section 14.3: a user name has fewer than 509 bytes. */
export const MAX_STUN_USERNAME_BYTES = 508
/** Password algorithms of a server that are looked at; RFC 8489 knows two. */
export const MAX_STUN_ALGORITHMS = 16
/** Requests sent to an address that a server has named and that has not answered: more could be used against a third party. */
export const MAX_UNANSWERED_PROBES = 4
/** STUN servers that one discovery asks. */
export const MAX_STUN_SERVERS = 16
/** Bytes of a relayed datagram: with the header of a Send indication it fits one UDP datagram to the server. */
export const MAX_TURN_DATAGRAM_BYTES = 65_456
/** Peers, by IP address, that one allocation relays to at a time. */
export const MAX_TURN_PEERS = 256
/** Datagrams to one peer that wait for the server to permit it. */
export const MAX_TURN_WAITING_DATAGRAMS = 16
/** TURN servers that send us on to another one, in a row. */
export const MAX_TURN_REDIRECTIONS = 3
/** Relayed TCP connections of peers that are being accepted at a time. */
export const MAX_TURN_CONNECTIONS_PENDING = 32
/** Bytes of a reliable stream over UDP that wait for a program that has paused it; about what may be on its way at 1 Gbit/s and 30 ms. */
export const MAX_RELIABLE_UDP_UNREAD_BYTES = 4_194_304
/** Bytes of one description between two agents; with all candidates it has about 800. */
export const MAX_ICE_MESSAGE_BYTES = 2_048
/** Candidates of the other side: a host with several interfaces has about ten. */
export const MAX_ICE_CANDIDATES = 32
/** Pairs that are checked (RFC 8445 section 6.1.2.5). */
export const MAX_ICE_PAIRS = 100
/** Checks sent to one address that has not answered: the other side may have named a third party. */
export const MAX_ICE_UNANSWERED_CHECKS = 5
/** Where a person brings the descriptions: from the end of a check or a connect to the next, in milliseconds. */
export const ICE_AGAIN_MS = 5_000
/** Sockets that one side opens for a birthday search, and ports that the other tries: together they meet with 99.7 %. */
export const ICE_BIRTHDAY_SOCKETS = 256
export const ICE_BIRTHDAY_PORTS = 1_500
/** From one birthday search to the next: the other side could ask for them by starting again and again. */
export const ICE_SEARCH_INTERVAL_MS = 60_000
/** Ports that are tried behind one that was just mapped: other programs of the site make mappings, too. */
export const ICE_PREDICTED_PORTS = 8
/** Mappings that are predicted, one after the other. */
export const MAX_ICE_PREDICTIONS = 8
/** Connections that the other side nominates in one session. */
export const MAX_ICE_STREAMS = 8
/** Connections that are accepted and have not yet been nominated. */
export const MAX_ICE_PENDING_CONNECTIONS = 16
/** Bytes of a connection before it is nominated: one check. */
export const MAX_ICE_NEGOTIATION_BYTES = 2_048
/** Connects to one address of the other side in a session. */
export const MAX_ICE_CONNECTS = 12
/** Paths that a report lists. */
export const MAX_ICE_JOURNAL_ENTRIES = 200
/** How often the other side may begin anew: each time we send checks to every address that it names. */
export const MAX_ICE_RESTARTS_PER_MINUTE = 12
/** Old sessions of the other side whose late messages are known as such. */
export const MAX_ICE_RETIRED_SESSIONS = 32

// peerpy --------------------------------------------------------------------------------------------------------------

/** A message from another program, as its header announces it: a camera's frame of 1080 lines, uncompressed, fits. */
export const MAX_PEERPY_MESSAGE_BYTES = 8_388_608
/** A datagram of discovery: the program reads no more of one. */
export const MAX_PEERPY_DATAGRAM_BYTES = 512
/**
 * What a pickle unfolds to, each part counted wherever it stands: with memoised values a kilobyte can stand for more than
 * any memory holds.
 */
export const MAX_PEERPY_UNFOLDED_BYTES = 67_108_864
/** What is sent in one message unless told otherwise: the program reads so much with one call. */
export const PEERPY_SAFE_MESSAGE_BYTES = 8_192
/** Messages of one connection that wait for the first listener; then it is not read. */
export const MAX_PEERPY_UNHEARD_MESSAGES = 1_000
/** Their bytes. */
export const MAX_PEERPY_UNHEARD_BYTES = 1_048_576
/** Parts of messages, and messages nobody listened for, on all connections of one peer. */
export const MAX_PEERPY_HELD_BYTES = 67_108_864
/** What waits to be sent on one connection. */
export const MAX_PEERPY_QUEUED_BYTES = 16_777_216
/** How long after the last write RST is held back, which would overtake it. */
export const PEERPY_CLOSE_LINGER_MS = 100
/** Connections of one peer. */
export const MAX_PEERPY_CONNECTIONS = 1_024
/** Callers of one peer that are not decided on: they have not said HELLO, wait for a place, or for `admit`. */
export const MAX_PEERPY_CALLERS = 128
/** Of these, from one address. */
export const MAX_PEERPY_CALLERS_PER_ADDRESS = 32
/** What one of these may have sent behind its HELLO. */
export const MAX_PEERPY_EARLY_BYTES = 65_536
/** Dials of one peer that were given up and are not answered yet; beyond it the first is closed. */
export const MAX_PEERPY_UNANSWERED = 64
/** Datagrams of discovery handled per second; what is above is dropped unread. */
export const MAX_PEERPY_DATAGRAMS_PER_SECOND = 1_000
/** PINGs answered per second. */
export const MAX_PEERPY_PONGS_PER_SECOND = 64
/** Peers that one discovery finds. */
export const MAX_PEERPY_FOUND = 1_024
/** The longest discovery: it ends half a second after the last PONG, and somebody may never cease to answer. */
export const MAX_PEERPY_DISCOVERY_MS = 10_000

// pythonConnect -------------------------------------------------------------------------------------------------------

/** Names of others. With `alive:,:` in front the real program reads just so much of an advert. */
export const MAX_PYTHONCONNECT_NAME_BYTES = 248
/** An advert: the real program reads no more of one. */
export const MAX_PYTHONCONNECT_ADVERT_BYTES = 256
/** A frame with its `/EOL`: the real program takes a longer one for a disconnect. */
export const MAX_PYTHONCONNECT_FRAME_BYTES = 512
/** Adverts read per second on all interfaces; each costs the parsing of a few bytes. */
export const MAX_PYTHONCONNECT_ADVERTS_PER_SECOND = 500
/** Newcomers answered per second; for all above it there is one advert a second later. */
export const MAX_PYTHONCONNECT_ADVERT_ANSWERS_PER_SECOND = 16
/** Nodes remembered, and connections at a time: adverts cost nothing to forge. */
export const MAX_PYTHONCONNECT_NODES = 512
/** Of these, adverts from one address: honest devices have one name each. */
export const MAX_PYTHONCONNECT_NODES_PER_ADDRESS = 8
/** Of these, connections from one address: a bridge brings one for each member of its room. */
export const MAX_PYTHONCONNECT_LINKS_PER_ADDRESS = 128
/** Frames that wait for one device; at the usual pace that is some seconds. */
export const MAX_PYTHONCONNECT_QUEUED_FRAMES = 512
/** Own questions that are open at a time: of the 9,999 ids enough are left that none comes back soon. */
export const MAX_PYTHONCONNECT_OPEN_QUESTIONS = 4_096
/** Questions of one device being answered at a time; the real program asks one after the other. */
export const MAX_PYTHONCONNECT_RECEIVED_QUESTIONS = 64

// Bridges -------------------------------------------------------------------------------------------------------------

/** Devices that one bridge brings into a room: each is a peer of the room with sockets and sessions of its own. */
export const MAX_BRIDGED_DEVICES = 64
/** Names that another bridge may claim in each of its two lists: a room's peers and a network's devices. */
export const MAX_BRIDGED_IDS = 4_096

// Transfers -----------------------------------------------------------------------------------------------------------

/** Body of one frame of a transfer: what a receiver has to hold before it knows whether the frame is well-formed. */
export const MAX_TRANSFER_FRAME_BYTES = 65_536
/** Content in one frame. It is never held: pieces of it are written as they come. */
export const MAX_TRANSFER_DATA_BYTES = 262_144
/** Files and folders of one transfer: each is remembered by its name until the transfer ends. */
export const MAX_TRANSFER_ENTRIES = 200_000
/** Their paths in UTF-8, together. */
export const MAX_TRANSFER_PATHS_BYTES = 16_777_216
/** One path in a folder, in UTF-8: with an inbox in front of it, it fits what systems take. */
export const MAX_TRANSFER_PATH_BYTES = 1_024
/** Folders within folders. */
export const MAX_TRANSFER_DEPTH = 64
/** A name on an offer, in UTF-8: file systems know no longer ones. */
export const MAX_OFFER_NAME_BYTES = 255
/** A name in an inbox, in UTF-8: leaves room for ` (2)` and for the name of the partial file. */
export const MAX_INBOX_NAME_BYTES = 180
/** Names tried for one arrival: `photo.jpg`, `photo (2).jpg`, … */
export const MAX_NAME_ATTEMPTS = 1_000
/** Transfers of one peer that are offered or under way; the next one is stopped with `limit-reached`. */
export const MAX_INCOMING_TRANSFERS = 16
/** Silence in a transfer, or data that is not taken, after which it has failed: longer than a peer may be away. */
export const TRANSFER_IDLE_MS = 120_000
/** How often a side that is busy with something else than sending says so. */
export const TRANSFER_WORKING_MS = 20_000
/** Space that transfers leave on a disk: a peer must not fill it to the last byte. */
export const MIN_FREE_BYTES = 67_108_864
/** So much is written before the free space is looked at again. */
export const FREE_SPACE_CHECK_BYTES = 67_108_864
/** Partial files that nobody has written to for this long are removed when an inbox opens. */
export const PARTIAL_LIFETIME_MS = 604_800_000

// The doctor ------------------------------------------------------------------------------------------------------------

/** Other devices that one check counts: more make no difference to what it says. */
export const MAX_HEARD_DEVICES = 256
