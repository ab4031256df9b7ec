"""Where it is safe to send: which URLs, and which addresses behind their names.

A webhook's URL is a stranger's wish that this server call somewhere. Without a guard it calls the
cloud's metadata service, the database's admin port or whatever else only this server can reach.
Nothing here is a list of what is known to be bad alone: of IPv6 only the global unicast space is
let through, and of what is left every special block that IANA registers is taken out again.
`ipaddress.is_global` is asked as well but not trusted: Python 3.11.7 calls 64:ff9b::a9fe:a9fe,
2002:a9fe:a9fe::, 224.0.0.1 and fec0::1 global.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

import idna

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Turns a name and a port into all addresses that it has, as text. Raises OSError for none."""

LONGEST_URL: Final = 2_000

_NOT_FOR_US_V4: Final = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared behind carriers' NAT (RFC 6598); a cloud's metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host agent, on an address that looks global
        "169.254.0.0/16",  # link-local (RFC 3927); metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112 (RFC 7535)
        "192.52.193.0/24",  # multicast tunnels (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays, ended (RFC 7526)
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_NOT_FOR_US_V6: Final = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID and more
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, ended (RFC 7526): carries an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052; its last 32 bits are the IPv4 address


class UnsafeAddress(Exception):  # noqa: N818 - a refusal is an outcome, not an error
    """This URL, or an address behind it, is not one to send to. The message says what to change."""


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What an operator allows beyond https to global addresses on port 443.

    `allowed` are networks that may be reached although they are not global, such as an internal
    messaging service's. `development` allows plain http, any port and single-label names, but to
    loopback alone, and loopback itself.
    """

    ports: frozenset[int] = frozenset({443})
    allowed: tuple[Network, ...] = ()
    literals: bool = False
    development: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart by one parser, once. `host` is in ASCII (IDNA), `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


def read_target(url: str, rules: AddressRules) -> Target:
    """Take a URL apart. Raises UnsafeAddress for one that must not be called wherever it leads.

    For use when an endpoint is registered and again before each try: rules change.
    """
    if len(url) > LONGEST_URL or re.search(r"[\x00-\x20\x7f-\xa0\\]", url):
        raise UnsafeAddress(
            "a webhook's URL has at most 2,000 characters, no blanks and no backslashes"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnsafeAddress("this is no URL: write it as https://hooks.example/fermata") from None
    _refuse_parts(parts, rules)
    port = port if port is not None else {"https": 443, "http": 80}[parts.scheme]
    if port not in rules.ports and not rules.development:
        listed = ", ".join(str(number) for number in sorted(rules.ports))
        raise UnsafeAddress(f"webhooks go to port {listed}, not {port}")
    path = parts.path or "/"
    return Target(
        parts.scheme,
        _ascii_host(parts.hostname or "", rules),
        port,
        f"{path}?{parts.query}" if parts.query else path,
    )


def refuse_address(address: Address, rules: AddressRules) -> None:
    """Raise UnsafeAddress unless this is a global unicast address or one that the rules allow.

    An address that carries another one is judged by that one (IPv4-mapped, NAT64) or refused
    altogether (6to4, Teredo, IPv4-compatible, which nobody receives webhooks on).
    """
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise UnsafeAddress(f"{address} is bound to one network interface")
    inner = _inner(address)
    if _is_allowed(address, rules) or _is_allowed(inner, rules):
        return
    if not _is_public(inner):
        raise UnsafeAddress(
            f"{address} is not a public address; an operator can allow its network for webhooks"
        )


async def checked_addresses(
    target: Target, rules: AddressRules, resolve: Resolve
) -> tuple[Address, ...]:
    """Resolve the name once and return its addresses, every one of them checked.

    To be called for each try, and the connection made to what it returns and to nothing else: a
    name that is resolved again may answer something else (DNS rebinding). One bad answer among
    good ones refuses them all. Raises UnsafeAddress, or OSError where the name has no address.
    """
    found = tuple(
        dict.fromkeys(
            ipaddress.ip_address(text) for text in await resolve(target.host, target.port)
        )
    )
    if not found:
        raise OSError(f"{target.host} has no address")
    for address in found:
        if target.scheme == "http" and not address.is_loopback:
            raise UnsafeAddress(f"plain http goes to this machine alone, and {address} is not it")
        refuse_address(address, rules)
    return found


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, in a thread of its own."""
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(answer[4][0]) for answer in answers]


def _refuse_parts(parts: SplitResult, rules: AddressRules) -> None:
    if parts.scheme != "https" and not (rules.development and parts.scheme == "http"):
        raise UnsafeAddress("webhooks go over https: write the URL as https://…")
    if parts.username is not None or parts.password is not None:
        raise UnsafeAddress("leave user name and password out of the URL: webhooks are signed")
    if parts.fragment:
        raise UnsafeAddress("leave the #fragment out of the URL: it is never sent")
    if not (parts.path + parts.query).isascii():
        raise UnsafeAddress("write the URL's path percent-encoded")


def _ascii_host(host: str, rules: AddressRules) -> str:
    """Return the name as the DNS has it, or a literal in its one canonical form."""
    literal = _literal(host)
    if literal is not None:
        if not (rules.literals or rules.development):
            raise UnsafeAddress("write the webhook's host as a name, not as an address")
        refuse_address(literal, rules)
        return str(literal)
    try:
        name = idna.encode(host.removesuffix("."), uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        raise UnsafeAddress(f"{host!r} is not the name of a host") from None
    # 127.1, 0x7f000001 and 2130706433 are addresses to a resolver, though not to ipaddress.
    last = name.rpartition(".")[2]
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last):
        raise UnsafeAddress(f"{host!r} is an address in disguise")
    if "." not in name and not rules.development:
        raise UnsafeAddress("write the webhook's host in full, such as hooks.example")
    return name


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one merely stands for, else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in block for block in _NOT_FOR_US_V4)
    return (
        address.is_global
        and address in _GLOBAL_V6
        and not any(address in block for block in _NOT_FOR_US_V6)
    )


def _is_allowed(address: Address, rules: AddressRules) -> bool:
    if rules.development and address.is_loopback:
        return True
    return any(address in network for network in rules.allowed)
