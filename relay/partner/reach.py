"""Which addresses a webhook may reach: public ones only, checked at the very connection that is then used.

A URL is a partner's to choose, and what stands behind a name can change between a check and a use: so the name is
resolved once for each connection, every address of it must be public, and one of those checked is connected to.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from ledger.errors import BadInput, Refused

MAX_URL_CHARS = 500
# IPv6 forms that lead to an IPv4 address which is not looked at: NAT64, and the local-use prefix beside it.
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_UNICAST = IPv6Network("2000::/3")  # all that IANA has given out; site-local and IPv4-compatible addresses are not

Lookup = Callable[[str, int], list[str]]


def check_url(url: str, *, private: bool) -> None:
    """Refuse a webhook URL that is not plain https to a host. `private`: also http. `BadInput` WEBHOOK_URL."""
    try:
        parts = urlsplit(url)
        port = parts.port  # raises for what is no port
    except ValueError:
        raise _bad_url("it cannot be read", url) from None
    schemes = ("https", "http") if private else ("https",)
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise _bad_url(f"it is no {' or '.join(schemes)} URL with a host", url)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _bad_url("it carries a name, a password or a fragment", url)
    if len(url) > MAX_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise _bad_url(f"it has other characters than a URL, or more than {MAX_URL_CHARS}", url)


def public_addresses(host: str, port: int, *, lookup: Lookup | None = None) -> list[str]:
    """The addresses of a host, all of them public. Errors: `Refused` WEBHOOK_ADDRESS (one is not, or there is none)."""
    try:
        found = (lookup or look_up)(host, port)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise Refused("WEBHOOK_ADDRESS", "the webhook's host has no address", where=host[:255])
    for address in found:
        if not is_public(address):
            # Which address it is stays here: a partner is not to learn how our names resolve.
            raise Refused("WEBHOOK_ADDRESS", "the webhook's host is not a public address", where=host[:255])
    return found


def is_public(text: str) -> bool:
    """Whether an address is one that anybody on the Internet could be reached at."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour or address.teredo
        if embedded or address not in _UNICAST or any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast


def look_up(host: str, port: int) -> list[str]:
    """Every address the machine's resolver gives, as text. Errors: OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def _bad_url(why: str, url: str) -> BadInput:
    return BadInput("WEBHOOK_URL", f"this is no webhook URL: {why}", where=ascii(url)[:120], cure="Give an https URL.")
