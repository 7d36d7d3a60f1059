"""The sandbox as a program of its own."""

import signal
import subprocess
import sys

import httpx

from tests.sandbox.caller import NO_TLS


def test_its_first_lines_are_ready_for_a_shell() -> None:
    """It prints its address, then variables to export, and ends quietly when it is told to."""
    program = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "collibra_tasks.sandbox", "--version", "2025.11.0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        lines = [program.stdout.readline().strip() for _ in range(3)]
        told = dict(line.split("=", 1) for line in lines)
        auth = (told["COLLIBRA_USERNAME"], told["COLLIBRA_PASSWORD"])
        answer = httpx.get(f"{url}/rest/2.0/users/current", auth=auth, verify=NO_TLS)
        info = httpx.get(f"{url}/rest/2.0/application/info", verify=NO_TLS)
        program.send_signal(signal.SIGTERM)
        assert 0 == program.wait(10)
        others = program.stdout.read().splitlines()

    assert url == told["COLLIBRA_BASE_URL"]
    assert auth[0] == answer.json()["userName"]
    assert "2025.11.0" == info.json()["version"]["fullVersion"]
    assert all(line.startswith("# ") for line in others)
    assert {"# COLLIBRA_TOKEN", "# COLLIBRA_CLIENT_ID", "# COLLIBRA_CLIENT_SECRET"} < {
        line.partition("=")[0] for line in others
    }
