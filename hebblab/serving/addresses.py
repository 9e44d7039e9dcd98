"""Ports, hosts and base addresses: checked in words, bound, and written out for a person."""

import errno
import os
import re
import secrets
import socket
from collections.abc import Sequence
from urllib.parse import quote

from hebblab.errors import InvalidValue, WrongState, shown
from hebblab.serving.policy import is_loopback

_TRIES = 100


def checked_host_name(name: str) -> str:
    """Return a host name that may be allowed, in lower case.

    Raises:
        InvalidValue: if it is an address with scheme, port or path, or no name at all.

    >>> checked_host_name("Lab.Example.org")
    'lab.example.org'
    """
    plain = isinstance(name, str) and name.strip().lower().strip("[]")
    if not plain or not re.fullmatch(r"[0-9a-z._-]{1,253}|[0-9a-f:.]{2,45}", plain):
        raise InvalidValue(
            f"{shown(name)} is no host name. Give the name alone, without http:// and without "
            "port, as in lab.example.org."
        )
    return plain


def checked_base_url(base_url: str) -> str:
    """Return a base address with a slash at both ends.

    Raises:
        InvalidValue: if it is not made of plain path segments.

    >>> checked_base_url("course/lab")
    '/course/lab/'
    """
    path = f"/{base_url.strip('/')}/" if isinstance(base_url, str) else ""
    path = "/" if path == "//" else path
    if not re.fullmatch(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*", path):
        raise InvalidValue(
            f"{shown(base_url)} is no base address. Letters, digits, dots, hyphens and slashes "
            "are understood, as in /course/lab/."
        )
    return path


def checked_token(token: str | None, host: str, allow_hosts: Sequence[str]) -> str | None:
    """Return the token to demand: the one given, or a fresh one where one is needed.

    Anything but loopback under its own names needs one. A fresh one has 192 bits.

    Raises:
        InvalidValue: if a given token could not be typed into an address.

    >>> checked_token(None, "127.0.0.1", ()) is None
    True
    >>> len(checked_token(None, "0.0.0.0", ()))
    48
    """
    if token:
        if not re.fullmatch(r"[!-~]{1,256}", token):
            raise InvalidValue(
                "A token is 1 to 256 letters, digits or signs without spaces. Leave --token out, "
                "and a good one is made."
            )
        return token
    if is_loopback(host) and not allow_hosts:
        return None
    return secrets.token_hex(24)


def checked_port(port: int | None) -> int | None:
    """Return a port number.

    Raises:
        InvalidValue: if it is not one of 0 to 65,535.

    >>> checked_port(8866)
    8866
    """
    if port is None:
        return None
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise InvalidValue(f"{shown(port)} is no port. Ports are 1 to 65535.")
    return port


def listen(host: str, port: int | None, usual: int) -> list[socket.socket]:
    """Bind the port that was named, or the first free one from the usual one on.

    Args:
        host: name or address of the interface.
        port: a port; 0 lets the system choose; None takes the usual one or the next free.
        usual: where to begin if none is named.

    Raises:
        WrongState: if the port is taken, or this account may not use it.
        InvalidValue: if this machine has no such host.
    """
    ports = range(usual, min(usual + _TRIES, 65536)) if port is None else (port,)
    for candidate in ports:
        try:
            return _bound(host or "127.0.0.1", candidate)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            if error.errno in (errno.EACCES, errno.EPERM):
                raise WrongState(
                    f"This account may not listen on port {candidate}. Choose one above 1023."
                ) from error
            raise InvalidValue(
                f"This machine has no address {shown(host)}. 127.0.0.1 serves this machine, "
                "0.0.0.0 its whole network."
            ) from error
    if port is None:
        raise WrongState(f"No port from {usual} to {ports[-1]} is free. Name one with --port.")
    raise WrongState(
        f"Port {port} is taken by another program. Name another one, or leave --port out and the "
        "next free one is used."
    )


def _bound(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets on every address of a host, all on one port."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, where in sorted(set(found)):
            listening = socket.socket(family, kind, protocol)
            sockets.append(listening)
            if os.name != "nt":  # there it would let two servers share a port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.setblocking(False)
            listening.bind((where[0], port, *where[2:]))
            listening.listen(128)
            port = port or listening.getsockname()[1]
    except OSError:
        for listening in sockets:
            listening.close()
        raise
    return sockets


def reachable_host(host: str) -> str:
    """Return the name to open for what listens on `host`: for all interfaces, this machine's.

    >>> reachable_host("127.0.0.1")
    '127.0.0.1'
    """
    if host not in ("", "0.0.0.0", "::"):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it only asks for the route.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def address(host: str, port: int, base_url: str, token: str | None = None) -> str:
    """Return an address as a person opens it.

    >>> address("::1", 8866, "/", "a b")
    'http://[::1]:8866/?token=a%20b'
    """
    name = f"[{host}]" if ":" in host else host
    query = f"?token={quote(token, safe='')}" if token else ""
    return f"http://{name}:{port}{base_url}{query}"
