"""Who may ask, from where, and for what: the judgement that the gate carries out.

It reads nothing but the head of a request, so it can be tried without a server.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import psutil
from tornado.httputil import HTTPHeaders, RequestStartLine

LOOPBACK_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})
KERNEL_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Pace:
    """At most `limit` events in `window` seconds for each key.

    >>> pace = Pace(limit=2, window=60.0)
    >>> [pace.allows("a", now=0.0), pace.allows("a", now=1.0), pace.allows("a", now=2.0)]
    [True, True, False]
    >>> pace.allows("b", now=2.0), pace.allows("a", now=61.0)
    (True, True)
    """

    def __init__(self, limit: int, window: float = 60.0) -> None:
        self.limit = limit
        self.window = window
        self._events: dict[str, deque[float]] = {}

    def full(self, key: str, now: float | None = None) -> bool:
        """Return whether `key` has used up its window."""
        now = time.monotonic() if now is None else now
        events = self._events.get(key)
        while events and events[0] <= now - self.window:
            events.popleft()
        if events is not None and not events:
            del self._events[key]
        return len(self._events.get(key, ())) >= self.limit

    def note(self, key: str, now: float | None = None) -> None:
        """Count one event of `key`."""
        if len(self._events) > 10_000:
            self._events.clear()
        events = self._events.setdefault(key, deque(maxlen=self.limit))
        events.append(time.monotonic() if now is None else now)

    def allows(self, key: str, now: float | None = None) -> bool:
        """Count one event of `key` unless its window is used up, and say which."""
        if self.full(key, now):
            return False
        self.note(key, now)
        return True


@dataclass(frozen=True)
class Refusal:
    """An answer that the gate gives itself, without waking anything behind it."""

    status: int
    sentence: str
    headers: tuple[tuple[str, str], ...] = ()
    form: bool = False


@dataclass
class Policy:
    """Whom the gate lets through.

    Args:
        hosts: host names under which the server answers, without port, in lower case.
        token: what a visitor must bring, or None where nobody needs one.
        base_url: where the server's addresses begin; it starts and ends with a slash.
        named: the names among `hosts` that a person allowed by name; a proxy may stand there.
        port: names the cookie, since cookies of all ports of a machine share one jar.
    """

    hosts: frozenset[str]
    token: str | None = None
    base_url: str = "/"
    named: frozenset[str] = frozenset()
    port: int = 0
    _session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _wrong: Pace = field(default_factory=lambda: Pace(limit=30), repr=False)

    def judge(
        self, start_line: RequestStartLine, headers: HTTPHeaders, address: str
    ) -> str | Refusal:
        """Return the path to pass on (without a token in it) or the refusal.

        Args:
            start_line: method and path as they came.
            headers: of the request.
            address: of the asking machine, for the limit on wrong tokens.
        """
        host = headers.get("Host", "")
        if len(headers.get_list("Host")) != 1 or host_name(host) not in self.hosts:
            return Refusal(
                403,
                f"This lab does not answer to the name “{host_name(host)[:80]}”. "
                "Open the address that hebblab serve printed, or start it with --allow-host NAME.",
            )
        raw_path, _, query = start_line.path.partition("?")
        if start_line.method not in ("GET", "HEAD", "POST"):
            return Refusal(405, "This is not something the lab does.", (("Allow", "GET, HEAD"),))
        if len(query) > 2048 or len(raw_path) > 2048:
            return Refusal(414, "This address is too long.")
        path = clean_path(raw_path)
        if path is None:
            return Refusal(404, "There is no such page here.")
        if path + "/" == self.base_url:
            return Refusal(302, "It is here.", (("Location", self.base_url),))
        socket_asked = "websocket" in headers.get("Upgrade", "").lower()
        channel = re.escape(self.base_url) + rf"api/kernels/{KERNEL_ID}/channels"
        if socket_asked and (start_line.method != "GET" or not re.fullmatch(channel, path)):
            return Refusal(403, "There is no socket here.")
        refusal = self._judge_origin(start_line.method, path, socket_asked, headers)
        return refusal or self._judge_token(raw_path, query, socket_asked, headers, address)

    def _judge_origin(
        self, method: str, path: str, socket_asked: bool, headers: HTTPHeaders
    ) -> Refusal | None:
        foreign = Refusal(403, "Another site asked for this.")
        site = headers.get("Sec-Fetch-Site", "")
        origin = headers.get("Origin")
        if origin is None:
            # Only the token (judged next) can vouch for a socket whose origin nobody states.
            if method == "POST" or (socket_asked and self.token is None):
                return foreign
        elif not self._same_origin(origin, headers["Host"]) and not (
            # A page under Referrer-Policy: no-referrer hides its origin even from itself.
            origin == "null" and site == "same-origin" and method == "POST"
        ):
            return foreign
        if path == self.base_url:
            # A picture or frame in a foreign page must not start kernels; following a link may.
            navigation = (
                headers.get("Sec-Fetch-Mode") == "navigate"
                and headers.get("Sec-Fetch-Dest") == "document"
            )
            if site in ("cross-site", "same-site") and not navigation:
                return foreign
            if "prefetch" in headers.get("Sec-Purpose", headers.get("Purpose", "")):
                return Refusal(403, "This page is not made ahead of time.")
        return None

    def _same_origin(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin.lower())
            port = parts.port
        except ValueError:
            return False
        if parts.scheme not in ("http", "https"):
            return False
        default = {"http": ":80", "https": ":443"}[parts.scheme]
        if parts.netloc.removesuffix(default) == host.lower().removesuffix(default):
            return True
        # A proxy in front may put its own idea of the host into the request.
        return parts.hostname in self.named and port is None

    def _judge_token(
        self, raw_path: str, query: str, socket_asked: bool, headers: HTTPHeaders, address: str
    ) -> str | Refusal:
        if self.token is None:
            return raw_path + ("?" + query if query else "")
        pairs = parse_qsl(query, keep_blank_values=True)
        rest = urlencode([(name, value) for name, value in pairs if name != "token"])
        kept = raw_path + ("?" + rest if rest else "")
        given = [value for name, value in pairs if name == "token"]
        scheme, _, word = headers.get("Authorization", "").partition(" ")
        if scheme.lower() in ("token", "bearer"):
            given.append(word.strip())
        if given and self._wrong.full(address):
            return Refusal(429, "Too many wrong tokens; wait a minute.", (("Retry-After", "60"),))
        if any(same(value, self.token) for value in given):
            if socket_asked or not any(name == "token" for name, _ in pairs):
                return kept
            return Refusal(
                302, "It is here.", (("Location", kept), ("Set-Cookie", self._cookie(headers)))
            )
        if given:
            self._wrong.note(address)
        elif headers.get("Origin") is None and socket_asked:
            return Refusal(403, "A socket states its origin or brings the token.")
        elif same(self._cookie_of(headers), self._session):
            return kept
        return Refusal(
            403,
            "This lab asks for its token. Open the address that hebblab serve printed "
            "(it ends in ?token=…), or enter the token here.",
            form=not socket_asked,
        )

    @property
    def cookie_name(self) -> str:
        """The cookie that stands for a token once shown."""
        return f"hebblab-{self.port}"

    def _cookie(self, headers: HTTPHeaders) -> str:
        # Its value is drawn anew at each start and tells nothing of the token.
        secure = "; Secure" if headers.get("X-Forwarded-Proto", "") == "https" else ""
        return (
            f"{self.cookie_name}={self._session}; Path={self.base_url}; "
            f"HttpOnly; SameSite=Lax{secure}"
        )

    def _cookie_of(self, headers: HTTPHeaders) -> str:
        for part in headers.get("Cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self.cookie_name:
                return str(value)
        return ""


def same(left: str, right: str) -> bool:
    """Return whether two secrets are equal, in a time that tells nothing of them.

    >>> same("a", "a"), same("a", "ä")
    (True, False)
    """
    digests = [hashlib.sha256(word.encode("utf-8", "replace")).digest() for word in (left, right)]
    return hmac.compare_digest(*digests)


def host_name(host: str) -> str:
    """Return the name in a Host header, without port, brackets and final dot.

    >>> host_name("LocalHost:8866"), host_name("[::1]:8866"), host_name("lab.example.")
    ('localhost', '::1', 'lab.example')
    """
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0].rstrip(".") if host.count(":") == 1 else host.rstrip(".")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach what listens on `host`.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def own_names(host: str, allow_hosts: Iterable[str]) -> frozenset[str]:
    """Return the names under which a server that listens on `host` answers.

    On loopback those of loopback; elsewhere also this machine's name and addresses.
    """
    names = {*LOOPBACK_NAMES, host_name(host), *(host_name(name) for name in allow_hosts)}
    if not is_loopback(host):
        machine = socket.gethostname().lower()
        names |= {machine, machine.partition(".")[0], machine.partition(".")[0] + ".local"}
        for interface in psutil.net_if_addrs().values():
            names |= {entry.address.partition("%")[0].lower() for entry in interface}
    return frozenset(names - {"", "0.0.0.0", "::"})


def clean_path(raw: str) -> str | None:
    """Return a request's path with its escapes read, or None where it tries to leave its place.

    >>> clean_path("/voila/static/voila.js")
    '/voila/static/voila.js'
    >>> clean_path("/voila/static/..%5c..%5cetc/passwd"), clean_path("/%252e%252e/etc")
    (None, None)
    """
    try:
        path = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        return None
    if not path.startswith("/") or "//" in path or re.search(r"[\\:%\x00-\x1f\x7f]", path):
        return None
    # Windows drops dots and spaces at the end of a name, so "..." and ".. " climb there.
    if any(part and not part.strip(". ") for part in path.split("/")):
        return None
    return path
