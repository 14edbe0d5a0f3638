"""Connections as uvicorn keeps them, with an end to what it leaves endless: the size of a head, and the wait for it.

And with the bodies of requests that ask for another protocol than WebSocket besides, which it would lose.
"""

import asyncio
import http

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of the request line and all headers.
MAX_HEAD = 64 * 1024
_HEAD_SECONDS = 20.0


class BoundedConnection(HttpToolsProtocol):
    """Answers 431 to a head that is too large, 408 to one that does not come, 400 to what opens no WebSocket."""

    _head_bytes = 0
    _declined = False
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The head of the first request is awaited from now on."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless what has come of a head is too much of one."""
        is_head = self._late is not None
        self._head_bytes += len(data)
        self._parse(data)
        if is_head and self._late is not None and self._head_bytes > MAX_HEAD:
            self._refuse(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request has begun."""
        super().on_message_begin()
        if self._late is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """A head has come."""
        self._stop_waiting()
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD:
            self._refuse(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            raise ValueError("the head is too large")
        asks_for_another = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        self._declined = asks_for_another and not self._should_upgrade()
        if not self._declined:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is whole, but for one that is yet to be read without its wish for another protocol."""
        if not self._declined:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over; a head that opens no WebSocket would be waited on for ever."""
        super().handle_websocket_upgrade()
        if not self.transport.get_protocol().handshake_initiated:  # type: ignore[attr-defined]
            self._refuse(http.HTTPStatus.BAD_REQUEST)

    def shutdown(self) -> None:
        """Let what is under way end; a stream would not by itself, so its reader has to come back."""
        super().shutdown()
        under_way = self.cycle is not None and not self.cycle.response_complete
        if under_way and self.cycle.scope.get("state", {}).get("streamed"):
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed is told so, unless something better was."""
        self._stop_waiting()
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _parse(self, data: bytes) -> None:
        """As uvicorn does, but that a protocol nobody speaks here is declined by answering as if it was not asked for.

        Java's clients ask for h2c with every request. Source: RFC 9110, section 7.8.
        """
        self._unset_keepalive_if_required()
        rest = data
        while rest:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserError:
                message = "Invalid HTTP request received."
                self.logger.warning(message)
                self.send_400_response(message)
                return
            except httptools.HttpParserUpgrade as upgrade:
                if not self._declined:
                    if self._should_upgrade():
                        self.handle_websocket_upgrade()
                    return
                rest = self._head_without_upgrade() + rest[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's

    def _head_without_upgrade(self) -> bytes:
        """The head that came, but for the header without which the parser does not stop at its end."""
        parts = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%b %b HTTP/%b" % parts]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._late = self.loop.call_later(_HEAD_SECONDS, self._refuse, http.HTTPStatus.REQUEST_TIMEOUT)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, status: http.HTTPStatus) -> None:
        self._stop_waiting()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()
