"""Why a packet is in no flow row: the fixed list that every balance is made of."""

FLOW = 0  # it is in one
ARP = 1
LLC = 2
NOT_IP = 3
LINK_TYPE = 4
LATER_FRAGMENT = 5
IP_PROTOCOL = 6
TUNNEL = 7
HEADER_CUT = 8
MALFORMED_LINK = 9
MALFORMED_IP = 10
MALFORMED_TRANSPORT = 11
UNKNOWN_INTERFACE = 12
UNKNOWN_ETHERTYPE = 13
UNKNOWN_LLC = 14
ESP = 15
TOO_MANY_LAYERS = 16

# As `non_flow` and the totals spell them.
REASON_TEXT = {
    ARP: "arp",  # ARP and RARP
    LLC: "llc",  # IEEE 802.3 length in place of an EtherType: spanning tree, IS-IS, ...
    NOT_IP: "not_ip",  # an EtherType, protocol family or PPP protocol that is known to carry no IP
    LINK_TYPE: "unsupported_link_type",
    LATER_FRAGMENT: "later_fragment",  # an IP fragment whose first one was not seen before it
    IP_PROTOCOL: "unsupported_ip_protocol",  # one without ports: OSPF, PIM, IGMP, ...
    TUNNEL: "tunnel",  # a tunnel with contents of an unknown kind
    HEADER_CUT: "header_cut",  # the capture's snap length ends within the headers
    MALFORMED_LINK: "malformed_link",  # the frame on the wire is shorter than its link header
    MALFORMED_IP: "malformed_ip",  # version or lengths of the IP header contradict themselves
    MALFORMED_TRANSPORT: "malformed_transport",  # the IP packet is shorter than its transport header
    UNKNOWN_INTERFACE: "unknown_interface",  # pcapng: its interface was not described, or beyond the bound
    UNKNOWN_ETHERTYPE: "unknown_ethertype",
    UNKNOWN_LLC: "unknown_llc",  # an LLC service access point that is not known
    ESP: "esp",  # encrypted (RFC 4303)
    TOO_MANY_LAYERS: "too_many_layers",  # more VLAN tags, labels or IP headers in one another than are read
}
REASON_COUNT = 17

# There may be an IP header that these kernels do not find: worth a look by the deep decoder. Unknown EtherTypes and LLC service
# access points are not: tshark found none behind any of them in a thousand public captures, and looking costs a second.
DEEP_REASONS = frozenset({LINK_TYPE})
