"""The layers that the header kernel knows, by number; each is above every number of `reasons`."""

FIRST_LAYER = 64
(
    ETHERNET,
    VLAN,
    IP,
    IPV4,
    IPV6,
    MPLS,
    PPPOE,
    PPP,
    LLC_HEADER,
    CISCO_HDLC,
    COOKED,
    COOKED_2,
    FAMILY,
    METADATA,
    TIME_STAMP,
    SERVICE_CHAIN,
    GRE,
    PIM,
    GRE_IN_UDP,
    MPLS_IN_UDP,
    ERSPAN_2,
    ERSPAN_3,
    VXLAN,
    VXLAN_GPE,
    GENEVE,
    GTP,
    TEREDO,
    L2TP,
) = range(FIRST_LAYER, FIRST_LAYER + 28)

# What carries an inner IP header: a tunnel's hash begins with it.
(
    IN_IP_IN_IP,
    IN_GRE,
    IN_VXLAN,
    IN_GENEVE,
    IN_GTP,
    IN_TEREDO,
    IN_MPLS,
    IN_ETHERNET,
    IN_PIM,
    IN_L2TP,
) = range(1, 11)

# Of one frame; what has more is `too_many_layers`. `layout.MAX_OUTER` bounds the IP headers.
MAX_VLAN_TAGS = 4
MAX_LABELS = 16
