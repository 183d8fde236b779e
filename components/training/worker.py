"""A training job in its own process, at low priority, so that pages stay responsive.

Images reach it through a pipe and stay in memory: uploads are never written to disk. Its standard
output is one JSON object a line, for each event.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import load, save

from components.datasets.captioned import Example
from components.errors import CaptionLensError
from components.settings import ROOT
from components.training.jobs import JOBS, Job
from components.training.learner import TrainingError
from components.training.loader import DecodedExamples, TrainDev
from components.training.loop import Dev, Ended, Step
from components.training.run import Comparison, Cost, Event, Figures, Message, probe, run

Action = Literal["run", "probe"]
_NICE = 10
_EVENTS: dict[str, Callable[..., Any]] = {
    each.__name__: each for each in (Step, Dev, Ended, Message, Cost)
}


@dataclass(frozen=True)
class Request:
    """A job to run, or to estimate the cost of; its images, and the run's folder."""

    action: Action
    job: Job
    images: TrainDev
    out: Path


def follow(
    request: Request, on_event: Callable[[Event | Cost], None], stop: threading.Event
) -> None:
    """Carry out a request, reporting each event; ``stop`` ends it after writing a checkpoint.

    Raises TrainingError with the job's own error message.
    """
    command = [sys.executable, "-m", __name__, request.action, str(request.out)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        ended = threading.Event()
        threading.Thread(target=_stopper, args=(process, stop, ended), daemon=True).start()
        errors: list[bytes] = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
        reader.start()
        try:
            _send(process, request)
            for line in process.stdout or ():
                on_event(_event(json.loads(line)))
        except BrokenPipeError:
            pass  # the process ended early; its standard error says why
        finally:
            ended.set()
    reader.join()
    if process.returncode and not stop.is_set():
        lines = [line.decode(errors="replace").strip() for line in errors]
        raise TrainingError(lines[-1] if lines else "The training process was ended from outside.")


def _stopper(
    process: "subprocess.Popen[bytes]", stop: threading.Event, ended: threading.Event
) -> None:
    while not ended.wait(0.2):
        if stop.is_set():
            process.terminate()
            return


def _send(process: "subprocess.Popen[bytes]", request: Request) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    job = {"class": type(request.job).__name__, "fields": asdict(request.job)}  # type: ignore[call-overload] # every job is a dataclass
    header = {"job": job, "sets": [_header(each) for each in request.images]}
    process.stdin.write(json.dumps(header, default=str).encode() + b"\n")
    learn, dev = (np.ascontiguousarray(each.pixels) for each in request.images)
    process.stdin.write(save({"a": learn, "b": dev}))
    process.stdin.close()


def _header(images: DecodedExamples) -> dict[str, Any]:
    examples = [[str(example.image), list(example.captions)] for example in images.examples]
    return {"examples": examples, "key": images.key}


def _event(fields: dict[str, Any]) -> Event | Cost:
    name = fields.pop("event")
    if name == Comparison.__name__:
        return Comparison(Figures(**fields["before"]), Figures(**fields["after"]))
    return _EVENTS[name](**fields)  # type: ignore[no-any-return] # the table's classes


def _receive() -> tuple[Job, TrainDev]:
    header = json.loads(sys.stdin.buffer.readline())
    arrays = load(sys.stdin.buffer.read())
    job = JOBS[header["job"]["class"]].from_fields(header["job"]["fields"])
    learn, dev = (
        DecodedExamples(
            tuple(Example(Path(name), tuple(captions)) for name, captions in each["examples"]),
            arrays[letter],
            key=each["key"],
        )
        for letter, each in zip("ab", header["sets"], strict=True)
    )
    return job, (learn, dev)


def _write(event: Event | Cost) -> None:
    sys.stdout.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")
    sys.stdout.flush()


def _work(action: str, out: Path) -> None:
    job, images = _receive()
    if action == "probe":
        _write(probe(job, images, out))
        return
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    events: Iterator[Event] = run(job, images, out)
    with closing(events):  # type: ignore[type-var] # a generator: closing it writes a checkpoint
        for event in events:
            _write(event)
            if stopped.is_set():
                return


def main(arguments: list[str]) -> int:
    """Work; on failure write the error message to standard error and return 1."""
    action, out = arguments
    os.nice(_NICE)
    try:
        _work(action, Path(out))
    except CaptionLensError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:  # the server has ended; the checkpoint is written
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
