"""Races of two processes through two Prefect servers on one PostgreSQL database."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support import counters
from tests.support.flow_runs import import_tables
from tests.support.prefect_server import ROOT, PrefectServer, environment_of

pytestmark = pytest.mark.slow

ROUNDS = 5
RACER = """
import sys
from collibra_tasks import CollibraCredentials
from flows.finalize_synchronization import finalize_synchronization

print("ready", flush=True)
for line in sys.stdin:
    name, job_id = line.split()
    state = finalize_synchronization(
        CollibraCredentials.from_settings(), name, batch_job_ids=[job_id], return_state=True
    )
    print("race", name, state.type.value, state.message, flush=True)
"""


def find_postgresql() -> Path | None:
    """Return the folder of PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).parent if path else None


class Cluster:
    """A PostgreSQL cluster in a temporary folder, on a free port of 127.0.0.1."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        # PostgreSQL refuses to run as root.
        self.prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    @property
    def url(self) -> str:
        """Return the connection URL for Prefect."""
        return f"postgresql+asyncpg://prefect@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        done = subprocess.run(  # noqa: S603 - our own commands
            [*self.prefix, str(self.programs / program), *arguments],
            cwd=self.folder,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would be kept open by the server
            stderr=subprocess.DEVNULL,
        )
        assert done.returncode == 0, (program, arguments)

    def __enter__(self) -> Self:
        """Create the cluster and start its server."""
        data = str(self.folder / "data")
        self.run("initdb", "-D", data, "-U", "prefect", "-A", "trust", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self.folder}"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            connection = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "prefect", "postgres")
            self.run("psql", "-c", "CREATE EXTENSION IF NOT EXISTS pg_trgm", *connection)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")


@pytest.fixture
def apis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, str]]]:
    """Run two Prefect servers on one database; the value is the environment of each."""
    programs = find_postgresql()
    if programs is None:
        pytest.skip("PostgreSQL's initdb is not installed (Debian: apt-get install postgresql)")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postgresql-")))
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        cluster = stack.enter_context(Cluster(programs, folder))
        environments = []
        for index in range(2):
            home = tmp_path_factory.mktemp(f"server-{index}")
            environment = environment_of(home) | {
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": cluster.url
            }
            server = PrefectServer(environment, home)
            if index:
                server.command = (*server.command, "--no-services")
            stack.enter_context(server)
            environments.append(environment)
        yield environments


class Racer:
    """A process that finalizes what it reads from its input."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-c", RACER],
                env=environment | {"PYTHONPATH": str(ROOT)},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )

    def __enter__(self) -> Self:
        """Wait until the process has imported the library."""
        try:
            self.read("ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def send(self, line: str) -> None:
        """Start one race."""
        stream: IO[str] | None = self.process.stdin
        assert stream is not None
        stream.write(line + "\n")
        stream.flush()

    def read(self, word: str) -> str:
        """Return the next line that begins with a word."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return line
        raise AssertionError(f"the process ended early: {self.log.read_text()[-2000:]}")


def test_races_through_two_servers(
    tenant: Sandbox, apis: list[dict[str, str]], tmp_path: Path
) -> None:
    """One of two flow runs at the same time finalizes, and both end with the same job."""
    with ExitStack() as stack:
        racers = [
            stack.enter_context(Racer(each | tenant.environment(), tmp_path / f"racer-{index}.log"))
            for index, each in enumerate(apis)
        ]
        for number in range(ROUNDS):
            name = f"race-{number}"
            job_id = import_tables(tenant, 3, name)
            for racer in racers:
                racer.send(f"{name} {job_id}")
            lines = [racer.read("race") for racer in racers]
            counters.count("races through two servers")
            assert 1 == tenant.finalizations_of(name), lines
            assert all(f"{name} COMPLETED" in line for line in lines), lines
            assert all(tenant.jobs[-1].id in line for line in lines), lines
