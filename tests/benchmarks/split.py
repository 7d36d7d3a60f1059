"""Compare the streaming split with ``json.load`` and slicing, on one generated file.

    python tests/benchmarks/split.py --commands 1000000 --rounds 3

Each measurement runs in a process of its own, the two kinds taking turns. The stream checks
everything, builds the manifest and splits, which takes two passes; the plain way only loads, slices
and dumps. Memory is the most that the process ever had resident, the interpreter included.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BATCH = 10_000
SEED = 20_260


def generate_commands(count: int) -> Iterator[dict[str, Any]]:
    """Make up the columns of a warehouse, always the same ones."""
    chance = random.Random(SEED)  # noqa: S311 - a fixed seed, not a secret
    for number in range(count):
        schema = f"SCHEMA_{chance.randrange(300):03}"
        table = f"{schema}.TABLE_{chance.randrange(5_000):04}"
        identifier = {
            "name": f"WAREHOUSE.{table}.COLUMN_{number:07}",
            "domain": {"name": schema, "community": {"name": "Warehouse"}},
        }
        attributes = {
            "Technical Data Type": [{"value": chance.choice(["NUMBER", "VARCHAR", "DATE"])}],
            "Column Position": [{"value": chance.randrange(200)}],
            "Description": [{"value": f"Column {number} of {table}, è così"}],
        }
        yield {
            "resourceType": "Asset",
            "identifier": identifier,
            "type": {"name": "Column"},
            "attributes": attributes,
        }


def write_commands(path: Path, count: int) -> None:
    """Write the commands as one JSON array."""
    with path.open("w", encoding="utf-8") as file:
        for number, command in enumerate(generate_commands(count)):
            file.write(",\n" if number else "[")
            json.dump(command, file)
        file.write("]")


def split_as_stream(path: Path) -> int:
    """Check and split with the library; return the number of batches."""
    from collibra_tasks.manifest import ManifestDraft
    from collibra_tasks.sources import iter_batches, open_source

    draft = ManifestDraft()
    with open_source(path) as source:
        survey = source.survey(draft.add)
        draft.finish().to_bytes()
        return sum(1 for batch in iter_batches(source, survey) if batch.content)


def split_plainly(path: Path) -> int:
    """Load all, slice and dump; return the number of batches."""
    with path.open(encoding="utf-8") as file:
        commands = json.load(file)
    slices = (commands[start : start + BATCH] for start in range(0, len(commands), BATCH))
    return sum(1 for each in slices if json.dumps(each).encode())


KINDS: dict[str, Callable[[Path], int]] = {"stream": split_as_stream, "plain": split_plainly}


def measure(kind: str, path: Path) -> dict[str, float]:
    """Run one kind in a process of its own."""
    command = [sys.executable, __file__, "--measure", kind, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this very file
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def print_measurement(kind: str, path: Path) -> None:
    """Measure in this process, and print the figures for the one that started it."""
    sys.path.insert(0, str(ROOT))
    if kind == "stream":
        import collibra_tasks  # noqa: F401 - what it imports is not what is measured
    begun = time.perf_counter()
    batches = KINDS[kind](path)
    seconds = time.perf_counter() - begun
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": most, "batches": batches}))


def compare(count: int, rounds: int) -> None:
    """Generate, measure in turns, and print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "commands.json"
        write_commands(path, count)
        size = path.stat().st_size / 1e6
        print(f"{count:,} commands, {size:,.0f} MB, {rounds} rounds, batches of {BATCH:,}")
        taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind, figures in taken.items():
                figures.append(measure(kind, path))
    seconds = {kind: median(each["seconds"] for each in taken[kind]) for kind in KINDS}
    memory = {kind: max(each["megabytes"] for each in taken[kind]) for kind in KINDS}
    for kind, figures in taken.items():
        speed, batches = size / seconds[kind], figures[0]["batches"]
        print(f"{kind:>6}: {speed:6.1f} MB/s, {memory[kind]:7,.0f} MiB at most, {batches} batches")
    time_ratio, memory_ratio = (each["stream"] / each["plain"] for each in (seconds, memory))
    print(
        f" ratio: {time_ratio:.2f} of the time, {memory_ratio:.2f} of the memory of the plain way"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print_measurement(options.measure[0], Path(options.measure[1]))
    else:
        compare(options.commands, options.rounds)


if __name__ == "__main__":
    main()
