"""The sandbox as a program."""

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from collibra_tasks.sandbox.__main__ import main
from tests.support.api_client import NO_TLS


def test_program_prints_url_and_variables() -> None:
    """The program prints its URL, then variables to export, and ends on SIGTERM."""
    program = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "collibra_tasks.sandbox", "--version", "2025.11.0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        lines = [program.stdout.readline().strip() for _ in range(3)]
        variables = dict(line.split("=", 1) for line in lines)
        auth = (variables["COLLIBRA_USERNAME"], variables["COLLIBRA_PASSWORD"])
        user = httpx.get(f"{url}/rest/2.0/users/current", auth=auth, verify=NO_TLS)
        info = httpx.get(f"{url}/rest/2.0/application/info", verify=NO_TLS)
        program.send_signal(signal.SIGTERM)
        assert 0 == program.wait(10)
        others = program.stdout.read().splitlines()

    assert url.startswith("http://127.0.0.1:")
    assert url == variables["COLLIBRA_BASE_URL"]
    assert auth[0] == user.json()["userName"]
    assert "2025.11.0" == info.json()["version"]["fullVersion"]
    assert all(line.startswith("# ") for line in others)
    names = {line.partition("=")[0] for line in others}
    assert {"# COLLIBRA_TOKEN", "# COLLIBRA_CLIENT_ID", "# COLLIBRA_CLIENT_SECRET"} < names
    assert {"# COLLIBRA_TOKEN_URL", "# COLLIBRA_SCOPE", "# COLLIBRA_AUDIENCE"} < names


def test_program_names_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that another program uses leads to one sentence and no traceback."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code = main(["--port", str(port)])

    assert code == 1
    assert f"port {port}: Address already in use" in capsys.readouterr().err
