"""A TCP relay that makes a machine far away: every byte arrives half a round trip later; round trips are counted."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass


@dataclass
class Count:
    """What went over one connection, and how far each side is, in round trips since the controller began to connect.

    What a side sends is as far as the side is; it arrives half a round trip further. So the number grows only with
    waiting for each other, not with how much is said.
    """

    to_machine: int = 0
    to_controller: int = 0
    controller: float = 1.0  # TCP's handshake
    machine: float = 1.5
    left: bool = False  # the controller has ended the connection


class Relay:
    """Relays connections with a delay.

    Args:
        port: of the machine, on 127.0.0.1.
        rtt: seconds for a round trip.
    """

    def __init__(self, port: int, rtt: float) -> None:
        self.port = port
        self.rtt = rtt
        self.counts: list[Count] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its opening to its end on both sides, or to the relay's own."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = Count()
        self.counts.append(count)
        # The kernel accepted at once. Over a real line the controller would have waited a round trip for that, and what
        # it sends then is on its way for another half.
        opened = time.monotonic() + self.rtt
        await asyncio.sleep(1.5 * self.rtt)
        machine_reader, machine_writer = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(
            self._forward(reader, machine_writer, count, True, opened),
            self._forward(machine_reader, writer, count, False, opened),
        )

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, count: Count, to_machine: bool, opened: float
    ) -> None:
        line: asyncio.Queue[tuple[float, float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                due, sent_at, data = await line.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    with contextlib.suppress(OSError, RuntimeError):
                        sink.close()
                    return
                if to_machine:
                    count.to_machine += len(data)
                    count.machine = max(count.machine, sent_at + 0.5)
                else:
                    count.to_controller += len(data)
                    if not count.left:  # it waited for this
                        count.controller = max(count.controller, sent_at + 0.5)
                with contextlib.suppress(OSError):
                    sink.write(data)
                    await sink.drain()

        arriving = asyncio.create_task(arrive())
        data = b"-"
        while data:
            try:
                data = await source.read(1 << 16)
            except OSError:
                data = b""
            if to_machine and not data:
                count.left = True
            sent_at = count.controller if to_machine else count.machine
            line.put_nowait((max(time.monotonic(), opened) + self.rtt / 2, sent_at, data))
        await arriving


async def main() -> None:
    """PORT RTT: relay from a free port (printed) until standard input ends, then print what each connection cost."""
    relay = Relay(int(sys.argv[1]), float(sys.argv[2]))
    server = await asyncio.start_server(relay.connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for count in relay.counts:
        print(count.controller, count.to_machine, count.to_controller)
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
