"""Where webhooks may go: every address that has fooled somebody is a case here."""

import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.notices.channels.safe_address import (
    Address,
    AddressRules,
    Resolve,
    UnsafeAddress,
    checked_addresses,
    read_target,
    refuse_address,
    resolve_by_system,
)
from tests.notices.channels.telling import ANY_TEXT

STRICT = AddressRules()
PUBLIC_V4 = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

# Blocks of IPv4 that never hold a public endpoint, as IANA's special-purpose registry has them.
CLOSED_V4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
]
closed_v4 = st.sampled_from(CLOSED_V4).flatmap(
    lambda block: st.ip_addresses(v=4, network=block).map(ipaddress.IPv4Address)
)


def is_refused(address: object, rules: AddressRules = STRICT) -> bool:
    """Whether the guard refuses an address."""
    try:
        refuse_address(ipaddress.ip_address(str(address)), rules)
    except UnsafeAddress:
        return True
    return False


def answering(*addresses: str) -> Resolve:
    """A resolver that always gives these answers."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::a9fe:a9fe",  # NAT64 of the metadata service; Python 3.11.7 calls all these global
        "64:ff9b:1::",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::",  # 6to4 of the metadata service
        "::127.0.0.1",  # IPv4-compatible
        "192.0.0.8",
        "192.88.99.1",
        "224.0.0.1",
        "fec0::1",  # site-local
        "100:0:0:1::1",
    ],
)
def test_addresses_that_python_once_called_global(address: str) -> None:
    """The measured ones, by name."""
    assert is_refused(address)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",  # most clouds' metadata
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",  # a host agent on an address that looks global
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",  # noqa: S104 - an address to refuse, not to bind
        "255.255.255.255",
        "10.1.2.3",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "198.19.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1%eth0",
        "fc00::1",
        "fdff::1",
        "ff02::1",
        "ff0e::1",  # multicast of global scope
        "100::1",
        "2001:db8::1",
        "3fff::1",
        "2001::1",  # Teredo
        "2001:2::1",
        "2001:20::1",
        "2002::1",
        "2002:0808:0808::1",  # 6to4, even of a public address
        "2620:4f:8000::1",
        "5f00::1",
        "4000::1",  # not assigned to anybody
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",  # IPv4-translated
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
    ],
)
def test_addresses_that_are_nobodys_endpoint(address: str) -> None:
    """Private, loopback, link-local, metadata, multicast, documentation, and all disguises."""
    assert is_refused(address)


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC_V4,
        "8.8.8.8",
        "1.1.1.1",
        "172.32.0.1",
        "100.63.255.255",
        "223.255.255.254",
        "168.63.129.15",
        PUBLIC_V6,
        "2a00:1450:4001:81b::200e",
        "::ffff:8.8.8.8",  # stands for a public address
        "64:ff9b::8.8.8.8",  # what DNS64 answers for an IPv4-only host
    ],
)
def test_public_addresses_are_reached(address: str) -> None:
    """The guard keeps nobody from being told."""
    assert not is_refused(address)


@given(closed_v4)
def test_no_disguise_of_a_closed_address_helps(address: ipaddress.IPv4Address) -> None:
    """Plain, mapped, compatible, translated, NAT64, 6to4 and Teredo (both of its addresses)."""
    inner = int(address)
    forms = {
        "plain": address,
        "mapped": ipaddress.IPv6Address(0xFFFF << 32 | inner),
        "compatible": ipaddress.IPv6Address(inner),
        "translated": ipaddress.IPv6Address(0xFFFF << 48 | inner),
        "nat64": ipaddress.IPv6Address(0x64FF9B << 96 | inner),
        "local nat64": ipaddress.IPv6Address(0x64FF9B0001 << 80 | inner),
        "6to4": ipaddress.IPv6Address(0x2002 << 112 | inner << 80 | 1),
        "teredo server": ipaddress.IPv6Address(0x20010000 << 96 | inner << 64 | 0xF7F7F7F7),
        "teredo client": ipaddress.IPv6Address(0x20010000 << 96 | (inner ^ 0xFFFFFFFF)),
    }

    assert {name: is_refused(form) for name, form in forms.items()} == dict.fromkeys(forms, True)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6, network="::ffff:0:0/96"))
def test_of_ipv4_only_unicast_passes(address: Address) -> None:
    """Plain or mapped: what passes is in none of the closed blocks."""
    if not is_refused(address):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        assert inner.is_global
        assert not any(inner in ipaddress.ip_network(block) for block in CLOSED_V4)


@given(st.ip_addresses(v=6))
def test_of_ipv6_only_global_unicast_passes(address: Address) -> None:
    """What passes lies in 2000::/3, unless it stands for an IPv4 address."""
    stands_for_ipv4 = int(address) >> 32 in (0xFFFF, 0x64FF9B << 64)
    assert is_refused(address) or stands_for_ipv4 or int(address) >> 125 == 1


def test_an_operator_can_allow_a_network() -> None:
    """What is listed is reached, also where it is mapped into IPv6; its neighbours are not."""
    rules = AddressRules(
        allowed=(ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd12::/16"))
    )

    assert not is_refused("10.1.2.3", rules)
    assert not is_refused("::ffff:10.1.2.3", rules)
    assert not is_refused("fd12::1", rules)
    assert is_refused("10.2.0.1", rules)
    assert is_refused("fd13::1", rules)
    assert is_refused("127.0.0.1", rules)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://hooks.example/", "https"),
        ("ftp://hooks.example/", "https"),
        ("//hooks.example/", "https"),
        ("hooks.example", "https"),
        ("https:///path", "host"),
        ("https://", "host"),
        ("https://user@hooks.example/", "user name"),
        ("https://user:word@hooks.example/", "user name"),
        ("https://@hooks.example/", "user name"),
        ("https://hooks.example:8443/", "port 443"),
        ("https://hooks.example:22/", "port 443"),
        ("https://hooks.example:0/", "port 443"),
        ("https://hooks.example:99999/", "no URL"),
        ("https://hooks.example:x/", "no URL"),
        ("https://[::1/", "no URL"),
        ("https://hooks.example/#secret", "fragment"),
        ("https://hooks.example/ä", "percent"),
        ("https://hooks.example/\r\nX: y", "blanks"),
        ("https://hooks.example\\@evil.example/", "backslashes"),
        ("https://hooks .example/", "blanks"),
        ("https://hooks\t.example/", "blanks"),
        (" https://hooks.example/", "blanks"),
        ("https://hooks.example/" + "a" * 2_000, "2,000"),
        ("https://93.184.215.14/", "name"),
        ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", "name"),
        ("https://127.1/", "disguise"),
        ("https://2130706433/", "disguise"),
        ("https://0x7f000001/", "disguise"),
        ("https://0x7f.0.0.0x1/", "disguise"),
        ("https://0177.0.0.01/", "disguise"),
        ("https://\uff11\uff12\uff17.1/", "disguise"),  # full-width digits
        ("https://intranet/", "in full"),
        ("https://localhost/", "in full"),
        ("https://a..example/", "name of a host"),
        ("https://-a.example/", "name of a host"),
        ("https://" + "a" * 64 + ".example/", "name of a host"),
        ("https://a_b.example/", "name of a host"),
        ("https://%31%32%37.0.0.1/", "disguise|name of a host"),
    ],
)
def test_urls_that_are_refused_before_anybody_is_asked(url: str, told: str) -> None:
    """Each with words that say what to change."""
    with pytest.raises(UnsafeAddress, match=told):
        read_target(url, STRICT)


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://hooks.example", "hooks.example", 443, "/", "hooks.example"),
        ("https://Hooks.Example.:443/a?b=c", "hooks.example", 443, "/a?b=c", "hooks.example"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        ("HTTPS://hooks.example/%C3%A4", "hooks.example", 443, "/%C3%A4", "hooks.example"),
    ],
)
def test_a_url_is_taken_apart_once(
    url: str, host: str, port: int, path: str, authority: str
) -> None:
    """Into a name as the DNS has it, a port and a path."""
    target = read_target(url, STRICT)

    assert (target.host, target.port, target.path) == (host, port, path)
    assert target.authority == authority


def test_more_ports_can_be_allowed() -> None:
    """Then the Host header names the port."""
    target = read_target("https://hooks.example:8443/", AddressRules(ports=frozenset({443, 8443})))

    assert target.authority == "hooks.example:8443"


def test_literals_can_be_allowed_and_are_checked() -> None:
    """In their canonical form, and only public ones."""
    rules = AddressRules(literals=True)
    target = read_target(f"https://[{PUBLIC_V6.upper()}]/", rules)

    assert target.host == PUBLIC_V6
    assert target.authority == f"[{PUBLIC_V6}]"
    with pytest.raises(UnsafeAddress, match="not a public address"):
        read_target("https://169.254.169.254/latest", rules)
    with pytest.raises(UnsafeAddress, match="disguise"):
        read_target("https://127.1/", rules)


@given(ANY_TEXT)
def test_any_url_is_refused_or_taken(url: str) -> None:
    """A stranger's URL never raises anything else."""
    for candidate in (url, f"https://{url}", f"https://hooks.example/{url}"):
        try:
            target = read_target(candidate, STRICT)
        except UnsafeAddress:
            continue
        assert target.scheme == "https"
        assert target.port == 443
        assert (target.host + target.path).isascii()
        assert "\r" not in target.path + target.host


async def test_every_answer_is_checked() -> None:
    """One private address among public ones refuses them all."""
    target = read_target("https://hooks.example/", STRICT)

    found = await checked_addresses(target, STRICT, answering(PUBLIC_V4, PUBLIC_V6, PUBLIC_V4))
    assert [str(address) for address in found] == [PUBLIC_V4, PUBLIC_V6]
    with pytest.raises(UnsafeAddress, match=r"10\.0\.0\.1"):
        await checked_addresses(target, STRICT, answering(PUBLIC_V4, PUBLIC_V6, "10.0.0.1"))


async def test_no_answer_is_no_address() -> None:
    """An empty answer is a failure of the name, not a pass."""
    target = read_target("https://hooks.example/", STRICT)

    with pytest.raises(OSError, match="no address"):
        await checked_addresses(target, STRICT, answering())


async def test_plain_http_is_for_loopback_in_development() -> None:
    """And for no public address, in development or not."""
    rules = AddressRules(development=True)
    target = read_target("http://localhost:8080/hook", rules)

    assert await checked_addresses(target, rules, answering("127.0.0.1", "::1"))
    with pytest.raises(UnsafeAddress, match="this machine"):
        await checked_addresses(target, rules, answering(PUBLIC_V4))


async def test_development_opens_nothing_but_loopback() -> None:
    """The private network and the metadata service stay closed."""
    rules = AddressRules(development=True)
    target = read_target("https://hooks.example/", rules)

    for address in ("10.0.0.1", "169.254.169.254", "::ffff:192.168.0.1"):
        with pytest.raises(UnsafeAddress):
            await checked_addresses(target, rules, answering(address))


async def test_the_system_resolves_names_to_plain_addresses() -> None:
    """Also names that resolvers read as addresses: the guard sees what would be connected to."""
    assert set(await resolve_by_system("localhost", 443)) <= {"127.0.0.1", "::1"}
    assert await resolve_by_system("127.1", 443) == ["127.0.0.1"]
