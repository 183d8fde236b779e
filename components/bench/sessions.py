"""Many people at once: how long a page's run takes while others use the same server.

A session is a WebSocket of Streamlit's own protocol, without a browser: it opens a page, then asks
for a full run, waits until the server says that the run has ended, thinks, and asks again.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from components.bench.measure import temporary_data
from components.bench.server import running

PAGES = {"match": "", "search": "search?search_q=a+cat", "matrix": "matrix"}
_THINKING = 3.0  # seconds between the end of a run and the next one
_LEAVING = 25.0  # seconds in which the server may return memory after sessions have left
_PATIENCE = 60.0  # seconds; a run that takes longer has failed
_LARGEST = 64 * 2**20  # bytes of a message


@dataclass(frozen=True)
class Visits:
    """What each session does: it opens a page of the server, and then makes full runs of it."""

    port: int
    page: str
    runs: int


@dataclass
class Load:
    """What the sessions saw."""

    seconds: list[float] = field(default_factory=list)  # of each full run
    failures: int = 0
    peak: int = 0  # bytes of the server's memory, at most
    session: float = 0.0  # bytes that a session added to it
    kept: int = 0  # bytes of the server's memory after the sessions have left
    cpu: float = 0.0  # seconds of processor time a run

    def line(self) -> str:
        """Return the load's figures as the end of a line."""
        p50, p95, most = np.percentile(self.seconds or [np.nan], (50, 95, 100))
        times = f"{p50:8.2f}{p95:8.2f}{most:8.2f}{len(self.seconds):7}{self.failures:10}"
        memory = f"{self.session / 2**20:14.1f}{self.kept / 2**20:8.0f}"
        return f"{times}{1000 * self.cpu:8.0f}{memory}"


def sessions(
    counts: Sequence[int],
    pages: Sequence[str],
    runs: int,
    rounds: int,
    say: Callable[[str], None],
) -> list[Load]:
    """Start a server; report, and return, the load of each number of sessions on each page.

    Each session makes ``runs`` full runs after its opening one. All is repeated in ``rounds``: the
    memory that is kept should not grow from the second one on.
    """
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg()[:2])
    say(f"{os.cpu_count()} cores; load of this machine before, over 1 and 5 minutes: {load}")
    say(f"a server of its own; {_THINKING:.0f} s of thinking after each run; seconds of a run:")
    say("page      sessions     p50     p95     max   runs  failures  CPU ms  MB a session  MB now")
    loads = []
    with temporary_data() as data, running(data / "log") as (port, started):
        process = psutil.Process(started.pid)
        for page in pages:
            asyncio.run(_use(Visits(port, page, 1), 1, Load(), process))  # loads the model
        for page, count in rounds * list(product(pages, counts)):
            loads.append(_measured(Visits(port, page, runs), count, process))
            say(f"{page:8}{count:10}{loads[-1].line()}")
    return loads


def _measured(visits: Visits, count: int, process: psutil.Process) -> Load:
    before, began = process.memory_info().rss, _cpu(process)
    load = Load(peak=before)
    asyncio.run(_use(visits, count, load, process))
    load.cpu = (_cpu(process) - began) / (count * (visits.runs + 1))
    load.session = max(load.peak - before, 0) / count
    time.sleep(_LEAVING)
    load.kept = process.memory_info().rss
    return load


def _cpu(process: psutil.Process) -> float:
    """Return the seconds of processor time that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def _use(visits: Visits, count: int, load: Load, process: psutil.Process) -> None:
    """Have ``count`` sessions visit at the same time."""
    people = [_person(visits, load, _THINKING * i / count) for i in range(count)]
    watching = asyncio.create_task(_watch(process, load))
    await asyncio.gather(*people)
    watching.cancel()


async def _watch(process: psutil.Process, load: Load) -> None:
    while True:
        load.peak = max(load.peak, process.memory_info().rss)
        await asyncio.sleep(0.2)


async def _person(visits: Visits, load: Load, delay: float) -> None:
    """Open the page after ``delay`` seconds, and run it as often as visits do."""
    await asyncio.sleep(delay)
    path, _, query = PAGES[visits.page].partition("?")
    known: set[str] = set()  # the messages that a browser would have
    try:
        async with connect(
            f"ws://127.0.0.1:{visits.port}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            max_size=_LARGEST,
        ) as socket_:
            for number in range(visits.runs + 1):
                request = BackMsg()
                request.rerun_script.page_name = path
                request.rerun_script.query_string = query
                request.rerun_script.cached_message_hashes.extend(known)
                began = time.perf_counter()
                await socket_.send(request.SerializeToString())
                async with asyncio.timeout(_PATIENCE):
                    await _ended(socket_, known)
                if number:  # the first run is the page's opening
                    load.seconds.append(time.perf_counter() - began)
                await asyncio.sleep(_THINKING)
    except (OSError, WebSocketException):  # a run that takes too long is an OSError
        load.failures += 1


async def _ended(socket_: ClientConnection, known: set[str]) -> None:
    """Read messages until the server says that a run has ended."""
    while True:
        message = ForwardMsg.FromString(await socket_.recv(decode=False))
        if message.metadata.cacheable and message.hash:
            known.add(message.hash)
        if message.WhichOneof("type") == "script_finished":
            return
