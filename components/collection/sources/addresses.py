"""Which IP addresses are on the public internet."""

import ipaddress

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_EMBEDDED = (  # IPv6 addresses that stand for an IPv4 one, and where in them it is
    (ipaddress.ip_network("::/96"), 0),
    (ipaddress.ip_network("64:ff9b::/96"), 0),
    (ipaddress.ip_network("2002::/16"), 80),
)
# IANA's special-purpose registries have these; `is_global` of Python 3.11 lets them through.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "64:ff9b:1::/48", "3fff::/20", "5f00::/16", "fec0::/10"),
    )
)


def is_public(address: str) -> bool:
    """Return whether an IP address is on the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    stands_for = _ipv4(ip)
    if stands_for:
        return is_public(str(stands_for))
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL)


def _ipv4(ip: _Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if not isinstance(ip, ipaddress.IPv6Address):
        return None
    shift = next((shift for network, shift in _EMBEDDED if ip in network), None)
    if shift is None:
        return ip.ipv4_mapped
    return ipaddress.IPv4Address((int(ip) >> shift) & 0xFFFFFFFF)
