"""Downloads by URL: from public addresses only, whatever the URL, the DNS or a redirect says."""

import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from api.fetch import Fetcher, is_public
from api.problems import Problem


class Site(BaseHTTPRequestHandler):
    """Answers /file; everything under /to/ redirects there."""

    def do_GET(self):
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/file":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"content" * 10)
        else:
            self.send_error(404)

    def log_message(self, *args):
        return


@pytest.fixture(scope="module")
def site():
    """The port of a small site on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def loopback(**changes):
    """A fetcher that takes ``site.test`` for loopback, and loopback for public."""
    addresses = {"site.test": ["127.0.0.1"], "inner.test": ["10.0.0.1"]}
    return Fetcher(
        resolve=lambda host, port: addresses[host],
        allow=lambda address: address == "127.0.0.1",
        timeout_s=5,
        **changes,
    )


def fetched(fetcher, url):
    blocks: list[bytes] = []
    fetcher.fetch(url, blocks.append)
    return b"".join(blocks)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - judged, not bound to
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
def test_private_addresses_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111"])
def test_public_addresses_are(address):
    assert is_public(address)


def test_a_file_is_fetched_also_through_redirects(site):
    base = f"http://site.test:{site}"
    assert fetched(loopback(), f"{base}/file") == b"content" * 10
    assert fetched(loopback(), f"{base}/to//file") == b"content" * 10
    assert fetched(loopback(hosts=("site.test",)), f"{base}/to/{base}/file") == b"content" * 10


@pytest.mark.parametrize(
    "path",
    [
        "/to/http://inner.test/x",
        "/to/file:///etc/passwd",
        "/to//to//to//to//to//file",
        "/nothing",
        "/to/",
    ],
)
def test_redirects_into_the_house_and_errors_are_refused(site, path):
    with pytest.raises(Problem) as refusal:
        fetched(loopback(), f"http://site.test:{site}{path}")
    assert refusal.value.code == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://169.254.169.254/latest/meta-data",
        "ftp://example.org/",
        "http:///nothing",
        "http://user:secret@example.org/",
        "http://example.org:99999/",
        "http://exa mple.org/",
        "http://[",
    ],
)
def test_urls_into_the_house_are_refused(url):
    with pytest.raises(Problem):
        fetched(Fetcher(timeout_s=2), url)


def test_other_hosts_than_the_listed_ones_are_refused(site):
    with pytest.raises(Problem) as refusal:
        fetched(loopback(hosts=("other.test",)), f"http://site.test:{site}/file")
    assert "MOUTHPIECE_URL_HOSTS" in refusal.value.detail


def test_a_second_dns_answer_changes_nothing(site):
    asked = []

    def resolve(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    fetcher = Fetcher(resolve=resolve, allow=lambda address: address == "127.0.0.1", timeout_s=5)
    assert fetched(fetcher, f"http://site.test:{site}/file")
    assert asked == ["site.test"]


def test_a_download_stops_where_its_sink_refuses(site):
    def full(block):
        raise Problem("INPUT_TOO_LARGE", "full")

    with pytest.raises(Problem) as refusal:
        loopback().fetch(f"http://site.test:{site}/file", full)
    assert refusal.value.code == "INPUT_TOO_LARGE"


def test_a_host_that_drips_is_cut_off(monkeypatch):
    listening = socket.create_server(("127.0.0.1", 0))

    def drip():
        with listening, listening.accept()[0] as connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                connection.sendall(b"x: y\r\n")
                time.sleep(0.05)

    thread = threading.Thread(target=drip)
    thread.start()
    fetcher = Fetcher(resolve=lambda *_: ["127.0.0.1"], allow=lambda _: True, timeout_s=0.3)
    with pytest.raises(Problem):
        fetched(fetcher, f"http://site.test:{listening.getsockname()[1]}/")
    thread.join(5)
    assert not thread.is_alive()
