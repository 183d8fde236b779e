"""Runs the tests of this folder in a network namespace of their own, with nothing but loopback.

    python -m tests.scale.namespace [pytest arguments]

Ray and Milvus listen on every interface, whatever they are told: in here, no other machine can
reach them. Root needs nothing else; anyone else needs a system that allows user namespaces.
"""

import fcntl
import os
import shutil
import socket
import struct
import sys
from pathlib import Path

_FLAGS = "16sh"  # struct ifreq: an interface's name and its flags
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_INSIDE = "--inside"


def isolated() -> bool:
    """Return whether no network but loopback can be reached from this process."""
    routes = Path("/proc/net/route")
    return routes.exists() and len(routes.read_text(encoding="ascii").splitlines()) <= 1


def main(arguments: list[str]) -> None:
    """Replace this process by pytest in a new network namespace."""
    if arguments[:1] != [_INSIDE]:
        command = shutil.which("unshare")
        if command is None:
            raise SystemExit("unshare is missing. Install it: apt-get install util-linux.")
        user = ["--map-root-user"] if os.getuid() else []
        again = [sys.executable, "-m", "tests.scale.namespace", _INSIDE]
        os.execv(command, [command, "--net", *user, *again, *arguments])  # noqa: S606 - no shell
    _raise_loopback()
    rest = arguments[1:]
    named = any(Path(argument.partition("::")[0]).exists() for argument in rest)
    pytest = [sys.executable, "-m", "pytest", *([] if named else ["tests/scale"]), *rest]
    os.execv(sys.executable, pytest)  # noqa: S606 - no shell


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack(_FLAGS, b"lo", 0)
        name, flags = struct.unpack(_FLAGS, fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack(_FLAGS, name, flags | _IFF_UP))


if __name__ == "__main__":
    main(sys.argv[1:])
