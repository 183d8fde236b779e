"""The namespace of these tests: loopback works, and nothing else can be reached."""

import socket

import pytest

from tests.scale.namespace import isolated

pytestmark = pytest.mark.skipif(not isolated(), reason="`make scale` runs it in a namespace")


def test_loopback_works_and_no_other_network_is_there() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5),
    ):
        pass
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward,
        pytest.raises(OSError, match="unreachable"),
    ):
        outward.connect(("192.0.2.1", 9))
