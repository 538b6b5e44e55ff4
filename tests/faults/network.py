"""What lies between a machine and a service: a proxy that falls silent or cuts, a network of its own that goes down."""

import asyncio
import contextlib
import gc
import shutil
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_CHUNK = 1 << 16


class Proxy:
    """One way to a service on a Unix socket or a port of this machine, whose address may change.

    Silent, it holds back what is sent either way and breaks nothing: as a switch that has lost its mind, a server that
    is suspended. What was held arrives afterwards. Cut, every connection breaks, and none can be made.
    """

    def __init__(self, target: Path | int, host: str = "127.0.0.1") -> None:
        self.target = target
        self.port = 0
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._is_cut = False
        self._ways: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        listens = threading.Event()
        self._loop.call_soon(lambda: self._loop.create_task(self._listen(listens)))
        self._thread.start()
        listens.wait()

    def silence(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def cut(self) -> None:
        """Every connection breaks; new ones break at once."""
        self._loop.call_soon_threadsafe(self._cut)

    def heal(self) -> None:
        """All is well again."""
        self._is_cut = False
        self._loop.call_soon_threadsafe(self._flows.set)

    def close(self) -> None:
        """Break what is left."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # who came in as the loop ended is nobody's to close
            self.cut()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            gc.collect()

    def _cut(self) -> None:
        self._is_cut = True
        for way in self._ways:
            way.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._server.close()
        self._loop.run_until_complete(asyncio.sleep(0.1))  # who is half in gets in, to be closed below
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        for end in self._ends:
            end.transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0.1))  # what was aborted closes in the next rounds

    async def _listen(self, listens: threading.Event) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._accept, self._host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        listens.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A task that is cancelled before it runs closes nothing: what is open is noted here."""
        self._ends.add(writer)
        way = self._loop.create_task(self._serve(reader, writer))
        self._ways.add(way)
        way.add_done_callback(lambda way: self._close(way, writer))

    def _close(self, way: asyncio.Task[None], *ends: asyncio.StreamWriter) -> None:
        self._ways.discard(way)
        for end in ends:
            self._ends.discard(end)
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            return
        await self._flows.wait()
        try:
            if isinstance(self.target, Path):
                back, there = await asyncio.open_unix_connection(str(self.target))
            else:
                back, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return
        pumps = [asyncio.create_task(self._pump(reader, there)), asyncio.create_task(self._pump(back, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            there.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()


@contextmanager
def proxy(target: Path | int, host: str = "127.0.0.1") -> Iterator[Proxy]:
    """A proxy on a port of its own."""
    way = Proxy(target, host)
    try:
        yield way
    finally:
        way.close()


@dataclass(frozen=True)
class Net:
    """A network namespace that reaches this machine over one virtual cable."""

    name: str
    address: str  #: this machine's, as seen from there

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command starts with that is to run there."""
        return ("ip", "netns", "exec", self.name)

    def down(self) -> None:
        """Pull the cable: packets vanish."""
        _ip("link", "set", f"{self.name}-a", "down")

    def up(self) -> None:
        """Plug it in again."""
        _ip("link", "set", f"{self.name}-a", "up")


@contextmanager
def own_network(number: int) -> Iterator[Net]:
    """A network of its own for a worker; skips where that may not be made."""
    if shutil.which("ip") is None:
        pytest.skip("no `ip`: install iproute2")
    name, ours, theirs = f"farm{number}", f"10.213.{number % 250}.1", f"10.213.{number % 250}.2"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"a network namespace may not be made here: {made.stderr.strip()}")
    try:
        inside = ("netns", "exec", name, "ip")
        try:
            _ip("link", "add", f"{name}-a", "type", "veth", "peer", "name", f"{name}-b", "netns", name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"a virtual cable may not be made here: {error.stderr.strip()}")
        _ip("addr", "add", f"{ours}/30", "dev", f"{name}-a")
        _ip("link", "set", f"{name}-a", "up")
        _ip(*inside, "addr", "add", f"{theirs}/30", "dev", f"{name}-b")
        _ip(*inside, "link", "set", f"{name}-b", "up")
        _ip(*inside, "link", "set", "lo", "up")
        yield Net(name, ours)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
