"""The wire breaks where it is told to: what the server heard and the client was told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.proxy import WELL, Fate, Proxy


class Server:
    """Hears ten bytes and then answers with twenty, once a connection."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.heard = b""
        self.is_done = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            while len(self.heard) < 10:
                try:
                    piece = connection.recv(10)
                except OSError:
                    break
                if not piece:
                    break
                self.heard += piece
            if len(self.heard) == 10:
                try:
                    connection.sendall(b"a" * 20)
                    connection.recv(1)
                except OSError:
                    pass
        self.is_done.set()

    def close(self) -> None:
        """Let go of the port."""
        self._listening.close()


@contextmanager
def wire(fate: Fate) -> Iterator[tuple[Server, Proxy, socket.socket]]:
    """A server, a wire with this fate before it, and a client at its end."""
    server = Server()
    try:
        with (
            Proxy(host="127.0.0.1", port=server.port, plan=lambda _number: fate) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client,
        ):
            yield server, proxy, client
    finally:
        server.close()


def until_cut(client: socket.socket) -> bytes:
    """What the client was told until the wire broke."""
    told = b""
    with pytest.raises(ConnectionResetError):
        while piece := client.recv(100):
            told += piece
        raise AssertionError("the connection was closed politely")
    return told


@pytest.mark.parametrize("piece_bytes", [3, 65_536])
def test_a_wire_that_is_well_carries_both_ways(piece_bytes: int) -> None:
    with wire(Fate(piece_bytes=piece_bytes, delay_seconds=0.001)) as (server, proxy, client):
        client.sendall(b"q" * 10)
        told = b""
        while len(told) < 20:
            told += client.recv(100)
        assert (b"q" * 10, b"a" * 20) == (server.heard, told)
        assert {WELL.name: 1} == proxy.seen


def test_an_answer_cut_short_was_heard_and_done() -> None:
    fate = Fate(name="cut", cut_answer_after=0)
    with wire(fate) as (server, proxy, client):
        client.sendall(b"q" * 10)
        assert until_cut(client) in (b"",)
        assert b"q" * 10 == server.heard
        assert {"cut": 1} == proxy.seen


def test_an_answer_can_be_cut_in_the_middle() -> None:
    with wire(Fate(cut_answer_after=7, piece_bytes=7)) as (server, _proxy, client):
        client.sendall(b"q" * 10)
        client.settimeout(20)
        assert b"aaaaaaa".startswith(until_cut(client))
        assert b"q" * 10 == server.heard


@pytest.mark.parametrize("after", [0, 4])
def test_a_request_cut_short_is_never_answered(after: int) -> None:
    with wire(Fate(cut_request_after=after)) as (server, _proxy, client):
        client.sendall(b"q" * 10)
        assert b"" == until_cut(client)
        assert server.is_done.wait(20)
        assert len(server.heard) <= after


def test_a_half_open_wire_takes_everything_and_says_nothing() -> None:
    with wire(Fate(is_half_open=True)) as (server, _proxy, client):
        client.sendall(b"q" * 10)
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert b"" == server.heard
