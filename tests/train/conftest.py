import socket

import pytest


@pytest.fixture
def torchrun():
    """Return a function of n: what torchrun sets for each of n processes of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}

    def places(n):
        numbers = [{"RANK": str(i), "LOCAL_RANK": str(i), "WORLD_SIZE": str(n)} for i in range(n)]
        return [shared | one for one in numbers]

    return places
