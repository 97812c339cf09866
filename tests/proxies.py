"""A TCP proxy in front of a database, which can go away in the two ways databases do."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"


class Proxy:
    """Forwards connections to ``target``, until told otherwise."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.port = 0
        self._listener: socket.socket | None = None
        self._pairs: list[socket.socket] = []
        self._flowing = threading.Event()
        self._answering = threading.Event()
        self.come_back()

    def come_back(self) -> None:
        """Accept connections, and forward what they send."""
        if self._listener is None:
            listener = socket.create_server((HOST, self.port), reuse_port=True)
            self._listener, self.port = listener, listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        self._flowing.set()
        self._answering.set()

    def refuse(self) -> None:
        """Drop every connection and refuse new ones, as where the server has stopped."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
        self.drop()

    def fall_silent(self) -> None:
        """Keep connections and accept new ones, and forward nothing, as where the network has gone."""
        self._flowing.clear()

    def withhold_answers(self) -> None:
        """Forward what clients send, and not what they are answered."""
        self._answering.clear()

    def drop(self) -> None:
        """Cut the connections there are."""
        pairs, self._pairs = self._pairs, []
        for end in pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self.refuse()
        self._flowing.set()
        self._answering.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            self._pairs += [client, server]
            for source, sink, gate in ((client, server, self._flowing), (server, client, self._answering)):
                threading.Thread(target=self._forward, args=(source, sink, gate), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, gate: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                gate.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxying(host: str, port: int) -> Iterator[Proxy]:
    """Run a proxy for the block."""
    proxy = Proxy((host, port))
    try:
        yield proxy
    finally:
        proxy.close()
