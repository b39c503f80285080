"""The network between servers of a test: TCP proxies that cut, swallow, delay or drip what they carry.

    with Wires() as wires:
        wire = wires.add()              listens on wire.port; wire.target is set once the server's own port is known
        wire.target = 34567
        wire.set("cut")                 connections are reset, new ones too
        wire.set("hole")                nothing is answered any more, as when packets are lost
        wire.set("slow", 0.5)           every piece takes half a second longer
        wire.set("drip", 400)           400 bytes a second
        wire.set("open")
"""
import asyncio
import socket
import struct
import threading

PIECE = 1 << 14


class Wire:
    """One listening port that leads to `target`, a port of this machine."""

    def __init__(self, wires):
        self.wires, self.target = wires, None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.mode, self.amount = "open", 0
        self.changed = None  # an asyncio.Event of the loop
        self.open = set()

    def set(self, mode, amount=0):
        """From now on, for connections that are there and for new ones."""
        self.wires.loop.call_soon_threadsafe(self._set, mode, amount)

    def _set(self, mode, amount):
        self.mode, self.amount = mode, amount
        self.changed.set()
        self.changed = asyncio.Event()
        if mode == "cut":
            for writer in list(self.open):
                reset(writer)

    async def _serve(self):
        self.changed = asyncio.Event()
        await asyncio.start_server(self._accept, sock=self.listener, limit=PIECE)

    async def _accept(self, reader, writer):
        self.open.add(writer)
        other = None
        try:
            if self.mode == "cut" or self.target is None:
                return
            far_reader, other = await asyncio.open_connection("127.0.0.1", self.target, limit=PIECE)
            self.open.add(other)
            await asyncio.gather(self._carry(reader, other), self._carry(far_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, other):
                if end is not None:
                    self.open.discard(end)
                    reset(end)

    async def _carry(self, reader, writer):
        while data := await reader.read(PIECE):
            while self.mode == "hole":
                await self.changed.wait()
            if self.mode == "slow":
                await asyncio.sleep(self.amount)
            while data and self.mode == "drip":
                part = data[:max(1, int(self.amount / 10))]
                data = data[len(part):]
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.1)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def reset(writer):
    """Ends a connection as a machine does that knows nothing of it."""
    end = writer.get_extra_info("socket")
    if end is not None and end.fileno() >= 0:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Wires:
    """All wires of a test, carried by one thread."""

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda loop, context: None)  # connections that end while they are carried
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.all = []
        return self

    def add(self):
        wire = Wire(self)
        self.all.append(wire)
        asyncio.run_coroutine_threadsafe(wire._serve(), self.loop).result()
        return wire

    def heal(self):
        for wire in self.all:
            wire.set("open")

    def __exit__(self, *exception):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        for wire in self.all:
            wire.listener.close()
