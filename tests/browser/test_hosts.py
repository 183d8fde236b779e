"""A page of another site cannot use the app through a name that leads to this computer."""

import http.client
from urllib.parse import urlsplit

import pytest

from tests.browser.helpers import Server


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 101), ("localhost", 101), ("[::1]", 101), ("evil.example", 403), ("", 403)],
)
def test_only_known_hosts_get_a_session(server: Server, host: str, status: int) -> None:
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=10)
    connection.putrequest("GET", "/_stcore/stream", skip_host=True)
    named = f"{host}:{place.port}" if host else ""
    for name, value in {
        "Host": named,
        "Origin": f"http://{named}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "streamlit",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()
