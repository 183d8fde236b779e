"""Installs the system's programs that tests need: with apt, as root on Debian."""

import os
import shutil
import subprocess


def can_install() -> bool:
    """Return whether this is Debian, or one of its kind, and we are root."""
    return bool(shutil.which("apt-get")) and os.geteuid() == 0


def install(package: str) -> None:
    """Install a package. Raises CalledProcessError where apt cannot."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-qy", package]):
        subprocess.run(["apt-get", *arguments], check=True, env=quiet)  # noqa: S607 - root's
