"""The sandbox as a program of its own."""

import signal
import subprocess
import sys

import httpx


def test_its_first_lines_are_ready_for_a_shell() -> None:
    """It prints its address, then variables to export, and ends quietly when it is told to."""
    program = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "collibra_tasks.sandbox"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        lines = [program.stdout.readline().strip() for _ in range(3)]
        told = dict(line.split("=", 1) for line in lines)
        auth = (told["COLLIBRA_USERNAME"], told["COLLIBRA_PASSWORD"])
        answer = httpx.get(f"{url}/rest/2.0/users/current", auth=auth)
        program.send_signal(signal.SIGTERM)
        assert 0 == program.wait(10)

    assert url == told["COLLIBRA_BASE_URL"]
    assert auth[0] == answer.json()["userName"]
