"""Where the kernels keep their values: column numbers of the two-dimensional arrays of unsigned 64-bit words.

An address is two words, high and low; an IPv4 address is the IPv4-mapped IPv6 address (RFC 4291 2.5.5.2), so that both forms
of one address are equal. Names end in `_HI` and `_LO`.
"""

# A packet of the current chunk: three cache lines.
(
    PACKET_TS,  # Unix nanoseconds
    PACKET_AT,  # offset of the frame in the buffer
    PACKET_CAPTURED,  # bytes of the frame in the buffer; from bit 32: link type of its interface (tcpdump.org/linktypes)
    PACKET_WIRE,  # bytes of the frame on the wire
    PACKET_CLOCK,  # what the clock said at it
    PACKET_FRAME,  # its number in the capture, from 1
    PACKET_REASON,  # 0: a packet of a flow; else a number of `reasons`
    PACKET_KIND,  # bits below
    PACKET_SRC_HI,
    PACKET_SRC_LO,
    PACKET_DST_HI,
    PACKET_DST_LO,
    PACKET_SPORT,
    PACKET_DPORT,
    PACKET_PROTOCOL,
    PACKET_IP_LENGTH,
    PACKET_TCP_FLAGS,
    PACKET_SEQUENCE,  # TCP: sequence number. A fragment of anything: identification and `FRAGMENT_*`
    PACKET_PAYLOAD,  # offset of the transport payload in the buffer; 0: none. Fragment without ports: of its data
    PACKET_PAYLOAD_END,  # offset behind its last captured byte
    PACKET_VLAN,  # up to four tags of 12 bits, the outermost in the highest bits; their number from bit 48
    PACKET_TUNNEL,  # hash of what is around the innermost IP header: part of the flow's key; 0: nothing
    PACKET_OUTER,  # address pairs around it: first row in the chunk's table of them; their number from bit 32
    PACKET_NAME,  # what the packet says its destination is called: `NAME_*`; 0: nothing
) = range(24)
PACKET_WIDTH = 24
LINK_SHIFT = 32  # of `PACKET_CAPTURED`
LINK_UNKNOWN = 0x1_0000  # of a packet whose interface was never described: real ones have 16 bits

# The clock's words.
(
    CLOCK_NOW,  # nanoseconds of packet time since the first packet that this state knows; never goes back
    CLOCK_REFERENCE,  # packet time that it stands for; 0: no packet with a time was seen
    CLOCK_PENDING,  # time of the last packet if it is in doubt; 0: it is not
    CLOCK_PENDING_NOW,  # what it said at that packet
    CLOCK_HOME,  # what it stood for when times went back; 0: they never did
    CLOCK_JUMPS,  # packets whose time jumped
    CLOCK_DOUBTED,  # where the first packet of a span confirms the jump of the one before: what the clock said at that one,
    CLOCK_BELIEVED,  # what it would have said, had it known (0: no packet was confirmed)
    CLOCK_BELIEVED_TS,  # and that packet's time; 0: only that it came now is believed, its time is far from this one's
) = range(9)
CLOCK_WIDTH = 9
CLOCK_CARRIED = 5  # words from the first on that the sensor's next capture goes on from
# A packet whose time is further off the one before has jumped: it is not believed until another confirms it.
JUMP_NS = 3_600_000_000_000

# A name as a packet or flow carries it: number of the name, plus one; number of the ALPN list, plus one; who says so.
NAME_TEXT_BITS = 24
NAME_ALPN_SHIFT = 24
NAME_EVIDENCE_SHIFT = 48
SAID_SNI, SAID_QUIC, SAID_HTTP = 1, 2, 3

# Names of a capture: beyond these a new one is counted and not kept. A text is a name, or a list of ALPN protocols.
MAX_SAID_TEXTS = 262_144
MAX_SAID_BYTES = 16 * 1024 * 1024
MAX_SAID_TEXT = 255  # octets, before escapes
SAID_SCRATCH = 4 * MAX_SAID_TEXT + 8  # bytes behind the last text, where the next one is written

# The evidence kernel's own words.
(
    SAID_TEXTS,  # texts in the book
    SAID_ARENA,  # bytes of them
    SAID_NOT_KEPT,  # texts that the book had no room for, each time they were said
    SAID_STOP,  # why the kernel stopped: 0, or one of the STOP_ words
    SAID_SLOT,  # slot of the stream that the packet at which it stopped belongs to
    SAID_DROPPED,  # slot, plus one, of a stream that was given up for the sake of another; 0: none
    SAID_SERIAL,  # counts the slots filled
    SAID_EVICTED,  # of these, what was waiting or half read when its slot was taken
    SAID_HELLOS,  # whole ClientHellos
    SAID_HELLOS_UNNAMED,  # without a host name
    SAID_HELLOS_MALFORMED,
    SAID_HELLOS_ECH,  # with Encrypted ClientHello (RFC 9849): their name may be that of the provider
    SAID_HEADS,  # HTTP/1 request heads
    SAID_HEADS_UNNAMED,
    SAID_TOUCHED,  # slot, plus one, of the last packet that had one
    SAID_LISTED,  # packets of DNS over TCP listed
) = range(16)
SAID_WIDTH = 16

STOP_ROOM = 1  # the book needs more room: call again with the same packet
STOP_STREAM = 2  # the packet belongs to a hello or head that is not whole yet
STOP_QUIC = 3  # it is an Initial
STOP_DROPPED = 4  # nothing about this packet, but a stream was given up

# A TCP stream whose first bytes are awaited, or of which a part of a hello or head came: one cache line.
(
    SLOT_SRC_HI,
    SLOT_SRC_LO,
    SLOT_DST_HI,
    SLOT_DST_LO,
    SLOT_PORTS,  # source port, destination port; from bit 32: sequence number of the first byte
    SLOT_TUNNEL,
    SLOT_SEEN,  # what the clock said at its last packet
    SLOT_SERIAL,  # grows from slot to slot; bit 0: a part came
) = range(8)
SLOT_WIDTH = 8
SLOT_OPEN = 1
SLOT_WAYS = 4  # slots that one hash value can go to
SLOTS = 4_096
SLOT_SETS = SLOTS // SLOT_WAYS

# A direction of a connection that bears DNS: two cache lines.
(
    STREAM_SRC_HI,
    STREAM_SRC_LO,
    STREAM_DST_HI,
    STREAM_DST_LO,
    STREAM_PORTS,  # source port, destination port
    STREAM_TUNNEL,
    STREAM_NEXT,  # sequence number of the octet that is waited for, unless the stream holds octets
    STREAM_STATE,  # bits below
    STREAM_LENGTH,  # of the message that is waited for, where its length came and nothing else; 0: that is not so
    STREAM_SEEN,  # what the clock said at its last packet
    STREAM_OLDER,  # row, plus one, of the stream that was silent next longer; and next shorter
    STREAM_NEWER,
    STREAM_CHAIN,  # row, plus one, of the next of this hash, or of the next free row
    STREAM_HASH,
) = range(14)
STREAM_WIDTH = 16
STREAM_IN_STEP = 1  # a message begins with the octet that is waited for, or with those held, or with the length that came
STREAM_HOLDS = 2  # octets of it are held, and where it stands is known there

# The words of the table of these streams.
(
    STREAMS_OLDEST,  # row plus one
    STREAMS_NEWEST,
    STREAMS_USED,
    STREAMS_HIGH,  # rows ever used
    STREAMS_FREE,  # free list
    STREAMS_HELD,  # bytes held besides `PIECE_COST` a stream
) = range(6)
STREAMS_WIDTH = 6
MAX_DNS_STREAMS = 4_096
MAX_DNS_STREAM_BYTES = 8 * 1024 * 1024
DNS_STREAM_PLACES = 8_192  # of the table's hash index
PIECE_COST = 256  # bytes that holding a stream, or a piece of one, costs besides its own, about
DNS_HEADER = 12  # octets of a message's header

MAX_HELLO = 16_384  # bytes of a ClientHello or HTTP head, and of what is held of a stream until it is whole

# What the first bytes of a stream are: neither a hello nor a head; one of them as far as they go; one that says what it says.
BEGINS_NOTHING, BEGINS_PART, BEGINS_SAID = range(3)

# Octets as a number, the first the highest: "http://", "https://", "host:", and "HTTP/1.".
WORD_HTTP = 0x6874_7470_3A2F_2F
WORD_HTTPS = 0x6874_7470_733A_2F2F
WORD_HOST = 0x686F_7374_3A
WORD_VERSION = 0x4854_5450_2F31_2E
QUIC_1 = 0x0000_0001
QUIC_2 = 0x6B33_43CF
QUIC_DRAFT_29 = 0xFF00_001D  # the last one widely in use before version 1

# A fragment's `SEQUENCE`: identification in the low 32 bits, offset in units of eight bytes, more fragments follow, the frame
# has less of it than its IP header says.
FRAGMENT_OFFSET_SHIFT = 32
FRAGMENT_MORE = 1 << 48
FRAGMENT_SNAPPED = 1 << 49
FRAGMENT_TINY = 1 << 50  # the first one, and its TCP header goes on in the next

# A datagram that comes in fragments.
(
    DATAGRAM_SRC_HI,
    DATAGRAM_SRC_LO,
    DATAGRAM_DST_HI,
    DATAGRAM_DST_LO,
    DATAGRAM_ID,  # identification; from bit 32 the IP protocol, in IPv6 (where fragments may differ in it) 256
    DATAGRAM_TUNNEL,
    DATAGRAM_CLOCK,  # what the clock said at the fragment seen first
    DATAGRAM_PORTS,  # source port, destination port, protocol: 16 + 16 + 8 bits
    DATAGRAM_STATE,  # bits below; 0: forgotten
    DATAGRAM_ROOM,  # where its bytes are put together, plus one; 0: nowhere
    DATAGRAM_TOTAL,  # bytes of it; 0: its last fragment was not seen
    DATAGRAM_HAVE,
    DATAGRAM_REACH,  # end of the fragment that reaches furthest
    DATAGRAM_NEXT,  # row of the next one of the same hash, plus one
) = range(14)
DATAGRAM_WIDTH = 16
DATAGRAM_LIVE = 1
DATAGRAM_KNOWN = 2  # the first fragment was seen: ports are known
DATAGRAM_ONE_WAY = 4
DATAGRAM_TINY = 8
DATAGRAM_LOST = 16  # nobody wants it put together, or that is no longer possible
DATAGRAM_WHOLE = 32

# The fragment kernel's own words.
(
    FRAGMENTS_OLDEST,  # rows are a ring, in the order in which they began
    FRAGMENTS_USED,
    FRAGMENTS_ROOM,  # where to look first for room
    FRAGMENTS_READY,  # row, plus one, of the datagram that the last packet made whole
    FRAGMENTS_EVICTED,  # datagrams forgotten, or no longer put together, for the sake of newer ones
    FRAGMENTS_OVERLAPPING,  # datagrams given up because fragments contradict each other
    FRAGMENTS_INCOMPLETE,  # DNS messages of which a fragment never came
) = range(7)
FRAGMENTS_WIDTH = 7

# Bounds of the fragment table.
MAX_DATAGRAMS = 4_096
DATAGRAM_PLACES = 8_192  # of its hash index
DATAGRAM_ROOMS = 64
ROOM_BYTES = 65_536  # no datagram is longer
ROOM_WORDS = 128  # a bit for each 8 bytes
FRAGMENT_TIMEOUT_NS = 30_000_000_000  # RFC 791 3.2 asks for 15 seconds or more, RFC 8200 4.5 for 60; Linux takes 30
FRAGMENT_FORGOTTEN_NS = 60_000_000_000

# An address pair around the innermost IP header.
OUTER_SRC_HI, OUTER_SRC_LO, OUTER_DST_HI, OUTER_DST_LO = range(4)
OUTER_WIDTH = 4
OUTER_COUNT_SHIFT = 32
MAX_OUTER = 7  # of a packet: eight IP headers in one another are read

KIND_IP = 1  # there is an IP header
KIND_FRAGMENT = 2
KIND_TRANSPORT = 4  # ports (or ICMP type and code) are known
KIND_ONE_WAY = 8  # an ICMP message that has no answer: its flow has one direction (Community ID)
KIND_CUT = 16  # the capture or the fragment has less of the payload than the datagram
KIND_WHOLE = 32  # the payload is a message put together out of segments or fragments, in a buffer of its own
KIND_MESSAGE = 64  # the payload is one DNS message out of TCP, its length left out
KIND_IN_DOUBT = 128  # its time jumped, and the packet before does not confirm it

# A flow in the table: two cache lines that every packet of it touches. A and B are its endpoints in ascending order, "forward"
# is from the initiator to the other.
(
    FLOW_A_HI,
    FLOW_A_LO,
    FLOW_B_HI,
    FLOW_B_LO,
    FLOW_PORTS,  # A's port, B's port, protocol: 16 + 16 + 8 bits
    FLOW_TUNNEL,  # as of the packets
    FLOW_STATE,  # bits below
    FLOW_SEEN,  # clock of the last packet
    FLOW_STARTED,  # clock of the row's first packet
    FLOW_FRAME,  # of the row's first packet; 0: no packet in this capture
    FLOW_LAST,
    FLOW_MINUTE,  # minute of the last packet; the row's earlier minutes are in the minute table
    FLOW_PACKETS,
    FLOW_BYTES,
    FLOW_PACKETS_REV,
    FLOW_BYTES_REV,
) = range(16)
FLOW_WIDTH = 16

# What of a flow few packets touch, in a table of the same rows.
(
    ASIDE_CHAIN,  # time of the chain's first packet
    ASIDE_NAME,  # what its initiator said, as of the packets
    ASIDE_END,  # why the row ended
    ASIDE_NEXT,  # next row of the free list, or of the ended ones, plus one
    ASIDE_FIRST,
    ASIDE_MINUTES,  # first entry of the list in the minute table, plus one
    ASIDE_MINUTE_COUNT,
    ASIDE_COUNTED,  # packets, bytes and both of the way back that were counted before the minute began
) = range(8)
ASIDE_WIDTH = 12

STATE_FORWARD_IS_B = 1  # B is the initiator
STATE_FIN_A = 2
STATE_FIN_B = 4
STATE_CLOSED = 8  # RST, or FIN both ways
STATE_OPEN = 16  # the row is in the table
STATE_FULL = 64  # as many minutes as a row may have
STATE_INITIATOR_SHIFT = 8  # schema.enums.Initiator
STATE_CARRIED = 31  # what of it the sensor's next capture is handed
STATE_CHAIN = 0xFFBF  # what a row hands to the one that goes on with its flow: all of the above but FULL
STATE_TCP_FLAGS_SHIFT = 16  # all flags of the row's packets
STATE_FIN_BOTH = STATE_FIN_A | STATE_FIN_B
STATE_WAS_CARRIED = 2 << STATE_INITIATOR_SHIFT  # an earlier capture knew who began it

END_IDLE, END_ACTIVE, END_DETECTED, END_FORCED, END_RESOURCES = range(1, 6)  # schema.enums.FlowEndReason

# What of an open flow the next capture goes on from: the words of a flow up to its row's beginning, then these.
CARRIED_CHAIN, CARRIED_NAME = 9, 10
CARRIED_FIELDS = 11

# Orders of the open rows: as their first packets came; the longest silent first; the last seen first, and then by their keys.
BY_FRAME, BY_SILENCE, BY_LAST_SEEN = range(3)

# Keys of the packets looked up ahead: the words FLOW_A_HI to FLOW_TUNNEL, then these.
AHEAD_HASH, AHEAD_IS_B = 6, 7  # 1: B sent the packet
AHEAD_WIDTH = 8
AHEAD_PACKETS = 64

# An entry of the flow table's index: the key's hash above, its row plus one in the low bits; 0: empty.
INDEX_ROW_BITS = 24
INDEX_ROW = (1 << INDEX_ROW_BITS) - 1

WORD = 0xFFFF_FFFF_FFFF_FFFF
LOW_HALF = 0xFFFF_FFFF
MAPPED_IPV4 = 0xFFFF_0000_0000  # the upper half of an IPv4-mapped address's low word
HALF32 = 0x8000_0000
FLOW_MIX = 0x9E37_79B9_7F4A_7C15  # 2**64 over the golden ratio
MINUTE_NS = 60_000_000_000
SWEEP_NS = 15_000_000_000  # idle flows are looked for once in so long
MAX_MINUTES = 256  # distinct minutes of one row; a row that has more is cut

# A minute of a flow.
(
    MINUTE_MINUTE,
    MINUTE_PACKETS,
    MINUTE_BYTES,
    MINUTE_PACKETS_REV,
    MINUTE_BYTES_REV,
    MINUTE_NEXT,
) = range(6)
MINUTE_WIDTH = 6

# What the header kernel counts.
HEADERS_UNREAD = 0  # frames of the chunk in which it found no IP header for the one of `reasons.DEEP_REASONS`
HEADERS_CLAMPED = 1  # frames of the capture that said they were longer on the wire than `MAX_WIRE_BYTES`
HEADERS_WIDTH = 2
# What a frame can have had on the wire: beyond it is a container's lie, which would count as traffic where an IP header leaves
# its length to the frame. Segments that a network card makes or puts together are of some hundred KiB at most.
MAX_WIRE_BYTES = 16 * 1024 * 1024

# The flow table's own words.
(
    TABLE_CLOCK,  # what the clock said at the last packet
    TABLE_LAST_ROW,  # row, plus one, of the last packet that had one
    TABLE_USED,  # rows in the table
    TABLE_HIGH,  # rows ever used: a sweep looks at so many
    TABLE_FREE,  # free list
    TABLE_ENDED,  # first and last of the ended rows, in the order in which they ended
    TABLE_ENDED_LAST,
    TABLE_ENDED_COUNT,
    TABLE_MINUTES_HIGH,
    TABLE_MINUTES_FREE,
    TABLE_MINUTES_ENDED,  # entries that the ended rows own
    TABLE_SWEPT,  # clock of the last sweep
    TABLE_SINCE_SWEEP,  # packets since
    TABLE_FLOW_PACKETS,
    TABLE_EVICTED,
    TABLE_WANT,  # why the kernel stopped early: 0, or one of the WANT_ words
    TABLE_NOT_CARRIED,  # open flows for which what is carried had no room
) = range(17)
TABLE_WIDTH = 17

WANT_NOTHING = 0
WANT_ROWS = 1
WANT_MINUTES = 2
WANT_EVICTION = 3

# Open flows at most, so that memory is bounded whatever comes; beyond it the longest silent ones are ended.
MAX_OPEN_FLOWS = 262_144

# A DNS message, and one of its records.
(
    MESSAGE_FRAME,  # two's complement: below 0 for a query of an earlier capture
    MESSAGE_TS,
    MESSAGE_CLIENT_HI,
    MESSAGE_CLIENT_LO,
    MESSAGE_RESOLVER_HI,
    MESSAGE_RESOLVER_LO,
    MESSAGE_ENDS,  # client's port, message id, kind, transport: 16 + 16 + 8 + 8 bits
    MESSAGE_TUNNEL,  # as of the packets
    MESSAGE_RCODE,  # `NO_RCODE`: a query
    MESSAGE_QNAME,  # number of the name, plus one; 0: the message has no question
    MESSAGE_QTYPE,
    MESSAGE_CLOCK,  # what the clock said at it
    MESSAGE_LATENCY,  # nanoseconds from the query to this response, plus one; 0: unknown
    MESSAGE_BLANK,  # of a query: which of its frame's messages without records it is
) = range(14)
MESSAGE_WIDTH = 14
NO_RCODE = 0xFFFF
ENDS_TXID_SHIFT, ENDS_KIND_SHIFT, ENDS_TRANSPORT_SHIFT = 16, 32, 40
(
    RECORD_MESSAGE,
    RECORD_SECTION,  # 1 answer, 2 authority, 3 additional; 0: a message without records
    RECORD_INDEX,  # which of its frame's records; of a message without records: which of its frame's messages without
    RECORD_NAME,  # number of the name, plus one
    RECORD_TYPE,
    RECORD_TTL,
    RECORD_HI,  # address, of A and AAAA
    RECORD_LO,
    RECORD_TARGET,  # the first name in its data, plus one
    RECORD_SECOND,  # and the second
    RECORD_DATA,  # the other octets of its data: offset in the arena; their number plus one from bit 40; 0: malformed
    RECORD_NAMES,  # the name asked for that this record gives an address, plus one; 0: none
) = range(12)
RECORD_WIDTH = 12
DATA_LENGTH_SHIFT = 40

(
    DNS_MESSAGES,
    DNS_RECORDS,
    DNS_NAMES,
    DNS_ARENA,
    DNS_CLOCK,  # what the clock said at the last packet read
    DNS_MALFORMED,
    DNS_MALFORMED_RDATA,
    DNS_TOO_LARGE,
    DNS_CUT,
    DNS_OTHER_OPCODE,
    DNS_QUERIES,
    DNS_MULTICAST_QUERIES,
    DNS_TRUNCATED,
    DNS_EDNS,
    DNS_EDNS_DO,
    DNS_RCODES,  # responses with response code 0, 1, ... 23 (RFC 6895 2.3), and with any other
) = range(16)
DNS_RCODE_COUNT = 25
DNS_WIDTH = DNS_RCODES + DNS_RCODE_COUNT

# A query that waits for its response.
(
    QUERY_HASH,
    QUERY_CLIENT_HI,
    QUERY_CLIENT_LO,
    QUERY_RESOLVER_HI,
    QUERY_RESOLVER_LO,
    QUERY_ENDS,
    QUERY_TUNNEL,
    QUERY_TS,
    QUERY_CLOCK,
    QUERY_FRAME,  # 0: in an earlier capture
    QUERY_QTYPE,
    QUERY_BLANK,  # as of messages
    QUERY_NAME,  # offset of the name's text
    QUERY_NAME_LENGTH,  # 0: it asked no question
    QUERY_NEXT,  # the next younger one, or the next of the free or the unanswered ones; plus one
    QUERY_PREVIOUS,  # the next older one, plus one
) = range(16)
QUERY_WIDTH = 16
QUERY_KEY_WORDS = 6  # from the client's address to the tunnel: who asked whom, by what id; of messages too

# The query table's own words.
(
    QUERIES_OLDEST,  # row plus one
    QUERIES_NEWEST,
    QUERIES_USED,
    QUERIES_HIGH,  # rows ever used
    QUERIES_FREE,
    QUERIES_ENDED,  # first and last of those whose time is up and that have no row of the batch yet
    QUERIES_ENDED_LAST,
    QUERIES_TEXT,  # end of the names
    QUERIES_TEXT_USED,  # octets of names of the waiting ones
    QUERIES_TEXT_COMPACT,  # end of the names when they were moved together last
    QUERIES_UNANSWERED,
    QUERIES_CARRIED,  # unanswered ones of earlier captures
    QUERIES_REPEATED,
    QUERIES_EVICTED,
    QUERIES_UNASKED,  # responses to no query that waited
) = range(15)
QUERIES_WIDTH = 15

MAX_QUERIES = 65_536
# Queries at most that differ in nothing but what they ask: a response without a question may be to any of them. Who asks in
# earnest takes a new port or id each time (RFC 5452 9.2).
MAX_ALIKE_QUERIES = 16
QUERY_TEXT_SLACK = 65_536  # octets of names that are no longer needed before the others are moved together
MAX_QUERY_TEXT = 4_194_304
# A query is unanswered when so much time has passed: two attempts of a stub resolver, 5 s each (resolv.conf(5)).
QUERY_TIMEOUT_NS = 10_000_000_000

# Bounds of one message: a 64 KiB datagram made of compression pointers would expand to megabytes.
DNS_MAX_RECORDS = 1_024
DNS_MAX_TEXT = 65_536
DNS_MAX_NAMES = 3 * DNS_MAX_RECORDS + 65_536 // 5  # an owner and two names a record; those of the questions
DNS_MAX_NAME_TEXT = 1_100  # 255 octets, each of them escaped
DNS_MAX_JUMPS = 128  # compression pointers in one name: it has no more labels

DNS_SHOWN_OCTETS = 64  # of record data of a type whose form is not known
DNS_MEMO = 32  # names of a message that are remembered by where they begin
DNS_HASH_PRIME = 0x0000_0100_0000_01B3  # FNV-1a, 64 bits

# What is wrong with what was read.
DNS_OK, DNS_BAD, DNS_LARGE = range(3)
# What stands behind the names in record data.
DATA_NOTHING, DATA_SOA_NUMBERS, DATA_STRINGS, DATA_OCTETS, DATA_PARAMETERS, DATA_PROPERTY, DATA_BITMAPS = range(7)
DNS_FORMS = 258  # record types whose data's form is looked up

KIND_DNS, KIND_MDNS, KIND_LLMNR = 0, 1, 2
