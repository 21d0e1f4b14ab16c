"""Download a file that a client names by URL, without becoming a way into private networks.

Every address that the host name stands for must be public, the connection goes to the very address
that was checked (so a second DNS answer changes nothing), and each redirect is checked again.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from api.problems import Problem

MAX_REDIRECTS = 3
_BLOCK = 1 << 16
_CONNECT_S = 5.0

Resolve = Callable[[str, int], Sequence[str]]
Allow = Callable[[str], bool]


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Say whether an address belongs to the public internet.

    IPv6 forms that carry an IPv4 address (mapped, 6to4, Teredo, NAT64) are judged by that one too.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Rules for downloads.

    Attributes:
        hosts: Host names that may be asked; empty for any.
        timeout_s: For one download, redirects included.
        resolve: Turns a host name into addresses.
        allow: Judges an address.
    """

    hosts: tuple[str, ...] = ()
    timeout_s: float = 30.0
    resolve: Resolve = resolve
    allow: Allow = is_public

    def fetch(self, url: str, write: Callable[[bytes], None]) -> None:
        """Download ``url`` block by block into ``write``.

        Raises:
            Problem: 422 when it may not or cannot be fetched; what ``write`` raises.
        """
        deadline = time.monotonic() + self.timeout_s
        for _ in range(MAX_REDIRECTS + 1):
            target = self._follow(url, write, deadline)
            if target is None:
                return
            url = target
        raise _refused(f"more than {MAX_REDIRECTS} redirects")

    def _follow(self, url: str, write: Callable[[bytes], None], deadline: float) -> str | None:
        parts, port = _checked(url)
        host = parts.hostname or ""
        if self.hosts and host not in self.hosts:
            raise _refused(f"{host} is not among the hosts allowed (MOUTHPIECE_URL_HOSTS)")
        connection = _connect(host, port, self._address(host, port), parts.scheme == "https")
        try:
            with _ended_at(connection, deadline):
                return _read(connection, url, parts, write)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _refused(f"{host} cannot be read in time: {error}") from error
        finally:
            connection.close()

    def _address(self, host: str, port: int) -> str:
        try:
            addresses = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise _refused(f"{host} has no address") from error
        if not addresses or not all(map(self.allow, addresses)):
            raise _refused(f"{host} is not a public address")
        return addresses[0]


def _checked(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise _refused(f"no valid URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _refused("only http and https URLs are fetched")
    if parts.username is not None or not url.isascii() or any(c <= " " for c in url):
        raise _refused("URLs with credentials, blanks or non-ASCII letters are not fetched")
    return parts, port


def _connect(host: str, port: int, address: str, secure: bool) -> http.client.HTTPConnection:
    try:
        raw = socket.create_connection((address, port), _CONNECT_S)
        if secure:
            raw = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
    except OSError as error:
        raise _refused(f"{host} cannot be reached: {error}") from error
    connection = http.client.HTTPConnection(host, port, timeout=_CONNECT_S)
    connection.sock = raw
    return connection


@contextmanager
def _ended_at(connection: http.client.HTTPConnection, deadline: float) -> Iterator[None]:
    """Cut the connection at ``deadline``: a host that drips bytes must not hold a thread."""

    def cut() -> None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    # What was cut off looks like a complete answer that ended there.
    if time.monotonic() >= deadline:
        raise TimeoutError("it took too long")


def _read(
    connection: http.client.HTTPConnection,
    url: str,
    parts: SplitResult,
    write: Callable[[bytes], None],
) -> str | None:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", path, headers={"Accept-Encoding": "identity"})
    with closing(connection.getresponse()) as reply:
        if reply.status in {301, 302, 303, 307, 308}:
            return urljoin(url, reply.headers.get("Location", ""))
        if reply.status != 200:
            raise _refused(f"{parts.hostname} answered {reply.status}")
        while block := reply.read(_BLOCK):
            write(block)
        if reply.length:
            raise OSError(f"{reply.length} bytes are missing")
    return None


def _refused(why: str) -> Problem:
    return Problem("INVALID_REQUEST", f"the URL was not fetched: {why}")
