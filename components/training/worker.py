"""A training job in a process of its own, niced: the server's sessions keep the cores they need.

The images travel through a pipe and stay in memory: uploads are never written to disk. The
child's standard output is a line of JSON for each event.
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
from components.training.densenet_lstm import Margin
from components.training.dual import Tuning
from components.training.jobs import Compared, Cost, Event, Figures, Job, Said, probe, run
from components.training.learner import TrainingError
from components.training.loader import DecodedExamples
from components.training.loop import Dev, Ended, Plan, Step

Mode = Literal["run", "probe"]
_NICE = 10
_EVENTS: dict[str, Callable[..., Any]] = {
    each.__name__: each for each in (Step, Dev, Ended, Said, Cost)
}


@dataclass(frozen=True)
class Order:
    """A job, or a probe of what it will cost: on which images, and in which folder."""

    mode: Mode
    job: Job
    images: tuple[DecodedExamples, DecodedExamples]
    out: Path


def follow(order: Order, tell: Callable[[Event | Cost], None], stop: threading.Event) -> None:
    """Carry out an order, telling each event; ``stop`` ends it with a checkpoint to go on from.

    Raises TrainingError with the sentence that the job ended with.
    """
    command = [sys.executable, "-m", "components.training.worker", order.mode, str(order.out)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        ended = threading.Event()
        threading.Thread(target=_stopper, args=(process, stop, ended), daemon=True).start()
        errors: list[bytes] = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
        reader.start()
        try:
            _send(process, order)
            for line in process.stdout or ():
                tell(_event(json.loads(line)))
        except BrokenPipeError:
            pass  # it ended early; its error stream says why
        finally:
            ended.set()
    reader.join()
    if process.returncode and not stop.is_set():
        said = [line.decode(errors="replace").strip() for line in errors]
        raise TrainingError(said[-1] if said else "Training was ended from outside.")


def _stopper(
    process: "subprocess.Popen[bytes]", stop: threading.Event, ended: threading.Event
) -> None:
    while not ended.wait(0.2):
        if stop.is_set():
            process.terminate()
            return


def _send(process: "subprocess.Popen[bytes]", order: Order) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    told = {"job": asdict(order.job), "sets": [_told(each) for each in order.images]}
    process.stdin.write(json.dumps(told, default=str).encode() + b"\n")
    learn, dev = (np.ascontiguousarray(each.pixels) for each in order.images)
    process.stdin.write(save({"a": learn, "b": dev}))
    process.stdin.close()


def _told(images: DecodedExamples) -> dict[str, Any]:
    examples = [[str(example.image), list(example.captions)] for example in images.examples]
    return {"examples": examples, "key": images.key}


def _event(told: dict[str, Any]) -> Event | Cost:
    name = told.pop("event")
    if name == Compared.__name__:
        return Compared(Figures(**told["before"]), Figures(**told["after"]))
    return _EVENTS[name](**told)  # type: ignore[no-any-return] # the table says which


def _received() -> tuple[Job, tuple[DecodedExamples, DecodedExamples]]:
    told = json.loads(sys.stdin.buffer.readline())
    arrays = load(sys.stdin.buffer.read())
    facts = told["job"]
    paths = {
        name: Path(facts[name]) if facts[name] else None
        for name in ("glove", "mobilenet", "densenet")
    }
    job = Job(
        **facts
        | {"plan": Plan(**facts["plan"]), "tuning": Tuning(**facts["tuning"])}
        | {"margin": Margin(**facts["margin"]), **paths}
    )
    learn, dev = (
        DecodedExamples(
            tuple(Example(Path(name), tuple(captions)) for name, captions in each["examples"]),
            arrays[letter],
            key=each["key"],
        )
        for letter, each in zip("ab", told["sets"], strict=True)
    )
    return job, (learn, dev)


def _write(event: Event | Cost) -> None:
    sys.stdout.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")
    sys.stdout.flush()


def _work(mode: str, out: Path) -> None:
    job, images = _received()
    if mode == "probe":
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
    """Work; on failure write one sentence to standard error and return 1."""
    mode, out = arguments
    os.nice(_NICE)
    try:
        _work(mode, Path(out))
    except CaptionLensError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:  # the server is gone; the checkpoint is written
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
