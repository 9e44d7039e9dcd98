"""Everything that stands in front of the server: who may ask, from where, and for what.

The gate judges the head of every HTTP request before a handler is chosen, so that nothing behind
it ever sees a request under a foreign host name, from a foreign origin, without the token where
one is demanded, or for a websocket anywhere but on a kernel's channel.
"""

import html
from http import HTTPStatus

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import Application, OutputTransform

from hebblab.serving.policy import Policy, Refusal

# Widgets are compiled in the page ('unsafe-eval') and imported from Blob URLs ('blob:').
SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "style-src 'self' 'unsafe-inline' blob:",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src blob: 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

PLAIN_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>hebblab</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{head}
<link rel="icon" href="data:;base64,=">
<style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:34em;
margin:18vh auto;padding:0 1.5em}}h1{{font-size:1em;font-weight:600}}</style>
</head><body><h1>hebblab</h1><p>{sentence}</p>{body}</body></html>
"""


class SecurityHeaders(OutputTransform):  # type: ignore[misc]
    """Puts the security headers on every response, whichever handler wrote it."""

    def __init__(self, request: HTTPServerRequest) -> None:
        """Take a request, as tornado's transforms do."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Replace what a handler set by the one policy of this server."""
        headers.pop("Server", None)
        for name, value in SECURITY_HEADERS.items():
            headers[name] = value
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Leave the body alone."""
        return chunk


def plain_page(sentence: str, head: str = "", body: str = "") -> bytes:
    """Return a small page that says one sentence and needs nothing else from the server."""
    return PLAIN_PAGE.format(sentence=html.escape(sentence), head=head, body=body).encode()


class Gate(HTTPServerConnectionDelegate):  # type: ignore[misc]
    """A door before a tornado application: it passes on what its policy lets through."""

    def __init__(self, application: Application, policy: Policy) -> None:
        self.application = application
        self.policy = policy

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Take one request of a connection."""
        return _AtTheDoor(self, server_conn, request_conn)


class _AtTheDoor(HTTPMessageDelegate):  # type: ignore[misc]
    """One request, from its head to where the policy sends it."""

    def __init__(self, gate: Gate, server_conn: object, request_conn: HTTPConnection) -> None:
        self._gate = gate
        self._server_conn = server_conn
        self._connection = request_conn
        self._inside: HTTPMessageDelegate | None = None
        self._refusal = Refusal(400, "This is not a request.")
        self._head = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        assert isinstance(start_line, RequestStartLine)
        address = str(getattr(getattr(self._connection, "context", None), "remote_ip", ""))
        verdict = self._gate.policy.judge(start_line, headers, address)
        if isinstance(verdict, Refusal):
            self._refusal = verdict
            self._head = start_line.method == "HEAD"
            return
        self._inside = self._gate.application.start_request(self._server_conn, self._connection)
        self._inside.headers_received(start_line._replace(path=verdict), headers)

    def data_received(self, chunk: bytes) -> None:
        if self._inside is not None:
            self._inside.data_received(chunk)

    def finish(self) -> None:
        if self._inside is not None:
            self._inside.finish()
            return
        refusal = self._refusal
        form = (
            '<form method="get"><input name="token" type="password" aria-label="Token" '
            'autocomplete="off"> <button>Open</button></form>'
        )
        body = plain_page(refusal.sentence, body=form if refusal.form else "")
        headers = HTTPHeaders(
            {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Length": str(len(body)),
                "Cache-Control": "no-store",
                **SECURITY_HEADERS,
            }
        )
        for name, value in refusal.headers:
            headers.add(name, value)
        line = ResponseStartLine("HTTP/1.1", refusal.status, HTTPStatus(refusal.status).phrase)
        # A visitor who leaves meanwhile takes the answer's future with him; nobody waits for it.
        sent = self._connection.write_headers(line, headers, b"" if self._head else body)
        sent.add_done_callback(lambda future: future.exception())
        self._connection.finish()

    def on_connection_close(self) -> None:
        if self._inside is not None:
            self._inside.on_connection_close()
