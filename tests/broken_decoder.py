"""A decoder for tests that crashes, hangs or writes nonsense, as the name of the film says."""

import os
import sys
import time
from pathlib import Path

from components.films import decode

if __name__ == "__main__":
    name = Path(sys.argv[1]).stem
    if name == "crash":
        os.abort()
    if name == "hang":
        time.sleep(600)
    if name == "nonsense":
        sys.stdout.write('{"event": "Frame", "seconds": 1.0, "bytes": -5}\n')
    else:
        decode.main(sys.argv[1:])
