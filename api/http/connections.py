"""Connections as uvicorn keeps them, with an end to what it leaves endless: the size of a head, and the wait for it."""

import asyncio
import http

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of the request line and all headers.
MAX_HEAD = 64 * 1024
_HEAD_SECONDS = 20.0


class BoundedConnection(HttpToolsProtocol):
    """Answers 431 to a head that is too large, 408 to one that does not come."""

    _head_bytes = 0
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
        super().data_received(data)
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
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed is told so, unless something better was."""
        self._stop_waiting()
        if not self.transport.is_closing():
            super().send_400_response(msg)

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
