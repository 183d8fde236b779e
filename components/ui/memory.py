"""Collecting garbage beside the sessions, not at the end of each of their runs.

Streamlit collects after every run, which takes most of a run's time: the libraries of the models
hold about a million objects, and each collection visits all of them while every session waits.
`.streamlit/config.toml` turns that off. What sessions leave behind is collected here instead, at
most once in a few seconds, and only after something has run.
"""

import ctypes
import gc
import sys
import threading
import time

_PAUSE = 10.0  # seconds


def collect_garbage() -> None:
    """Start the thread that collects garbage as long as the server runs."""
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    release = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    seen = 0
    while True:
        time.sleep(_PAUSE)
        young = gc.get_stats()[0]["collections"]  # rises as objects are made
        if young == seen:
            continue
        gc.collect()
        if release:  # glibc keeps freed memory otherwise
            release(0)
        seen = gc.get_stats()[0]["collections"]
