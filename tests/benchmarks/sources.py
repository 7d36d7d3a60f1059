"""Time and memory of reading, merging, ordering and splitting a source, as ratios.

    python tests/benchmarks/sources.py
    python tests/benchmarks/sources.py --rows 20000 --commands 200000

First part: for rows of CSV, Excel and JSON, the time of each step in multiples of the fastest
reader that is installed (csv, python-calamine, orjson), which only reads and builds nothing.
Second part: a large JSON array, with the throughput of each step as a share of the throughput of
the library's JSON parser.
Every measurement runs in a process of its own. The peak memory is the resident memory of that
process at its maximum; the memory after the imports stands beside it.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collibra_tasks.ledger.manifest import Manifest

ROOT = Path(__file__).resolve().parents[2]
TABLES = 5_000
RELATION = "00000000-0000-0000-0000-000000007042:TARGET"
COLUMNS = ("schema", "table", "column", "type", "description", "tags")
TEMPLATE = [
    {"resourceType": "Community", "identifier": {"name": "Warehouse"}},
    {
        "resourceType": "Domain",
        "identifier": {"name": "${1}", "community": {"name": "Warehouse"}},
        "type": {"name": "Physical Data Dictionary"},
    },
    {
        "resourceType": "Asset",
        "identifier": {
            "name": "${2}.${3}",
            "domain": {"name": "${1}", "community": {"name": "Warehouse"}},
        },
        "type": {"name": "Column"},
        "attributes": {
            "Technical Data Type": [{"value": "${4}"}],
            "Description": [{"value": "${5}"}],
        },
        "relations": {
            RELATION: [
                {
                    "name": "${2}.COLUMN_0000000",
                    "domain": {"name": "${1}", "community": {"name": "Warehouse"}},
                }
            ]
        },
        "tags": ["${6}"],
    },
]
STEPS = ("read and check", "spool and merge", "manifest", "order", "split into batches")
CASES = ("no last cycle", "the same last cycle", "other identifiers")


def generate_rows(count: int) -> Iterator[tuple[str, ...]]:
    """Yield the columns of a warehouse, always the same ones."""
    for number in range(count):
        table_number = number % TABLES
        schema, table = f"SCHEMA_{table_number % 300:03}", f"TABLE_{table_number:04}"
        kind = ("NUMBER", "VARCHAR", "DATE")[number % 3]
        text = f"Column {number} of {table}, è così"
        yield schema, table, f"COLUMN_{number:07}", kind, text, "pii,gdpr" if number % 9 else ""


def generate_commands(rows: Iterable[tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    """Yield one asset per row with a relation to the previous column, every 50th to the next."""
    for number, (schema, table, column, kind, text, _) in enumerate(rows):
        domain = {"name": schema, "community": {"name": "Warehouse"}}
        target = number + TABLES if number % 50 == 0 else number - TABLES
        targets = [{"name": f"{table}.COLUMN_{target:07}", "domain": domain}]
        yield {
            "resourceType": "Asset",
            "identifier": {"name": f"{table}.{column}", "domain": domain},
            "type": {"name": "Column"},
            "attributes": {
                "Technical Data Type": [{"value": kind}],
                "Description": [{"value": text}],
            },
            "relations": {RELATION: targets} if target >= 0 else {},
        }


def write_csv(path: Path, count: int) -> None:
    """Write the rows as CSV with the library's default separator."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(COLUMNS)
        writer.writerows(generate_rows(count))


def write_excel(path: Path, count: int) -> None:
    """Write the rows as a workbook."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Columns")
    sheet.append(COLUMNS)
    for row in generate_rows(count):
        sheet.append(row)
    book.save(path)


def write_json(path: Path, count: int) -> None:
    """Write one command per row as a JSON array."""
    with path.open("w", encoding="utf-8") as file:
        for number, command in enumerate(generate_commands(generate_rows(count))):
            file.write(",\n" if number else "[")
            json.dump(command, file, ensure_ascii=False)
        file.write("]")


def read_with_csv(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file, delimiter=";"))


def read_with_calamine(path: Path) -> int:
    from python_calamine import CalamineWorkbook

    sheet = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0)
    return sum(1 for _ in sheet.iter_rows())


def read_with_orjson(path: Path) -> int:
    import orjson

    return len(orjson.loads(path.read_bytes()))


READERS: dict[str, tuple[str, Callable[[Path], int]]] = {
    "csv": ("csv", read_with_csv),
    "excel": ("python_calamine", read_with_calamine),
    "json": ("orjson", read_with_orjson),
}
WRITERS = {"csv": write_csv, "excel": write_excel, "json": write_json}


def run_parser(path: Path) -> dict[str, float]:
    """Parse the JSON array with the library's parser alone, without checks."""
    from collibra_tasks.sources.files import find_files
    from collibra_tasks.sources.json_reader import read_array

    begun = time.perf_counter()
    count = sum(1 for file in find_files([str(path)]) for _ in read_array(file))
    return {"parse": time.perf_counter() - begun, "count": count}


def run_steps(path: Path, case: str = "") -> dict[str, float]:
    """Run every step of the library and return its seconds.

    Args:
        path: The source.
        case: One of `CASES`; empty is the first. Another one adds a last cycle with the same
            assets, or with the same names under external IDs.
    """
    from collibra_tasks.ledger.manifest import Manifest
    from collibra_tasks.options import SourceOptions
    from collibra_tasks.sources.opening import open_source

    template = "" if path.suffix == ".json" else json.dumps(TEMPLATE)
    options = SourceOptions(template=template)
    begun = time.perf_counter()
    with open_source(str(path), options) as opened:
        for _ in opened.read_records():
            pass
    seconds = {STEPS[0]: time.perf_counter() - begun}
    begun = time.perf_counter()
    with open_source(str(path), options) as opened, opened.scan(log=_ignore) as content:
        seconds[STEPS[1]] = time.perf_counter() - begun - seconds[STEPS[0]]
        begun = time.perf_counter()
        manifest = Manifest.from_rows(content.iter_assets())
        seconds[STEPS[2]] = time.perf_counter() - begun
        previous = make_last_cycle(manifest, case)
        begun = time.perf_counter()
        ordered = content.order(row.asset for row in previous)
        seconds[STEPS[3]] = time.perf_counter() - begun
        begun = time.perf_counter()
        batches = sum(1 for _ in ordered.iter_batches(10_000))
        seconds[STEPS[4]] = time.perf_counter() - begun
        if case:
            begun = time.perf_counter()
            print_reasons(manifest, previous)
            seconds["plan and guard"] = time.perf_counter() - begun
        return {**seconds, "count": content.summary.command_count, "batches": batches}


def make_last_cycle(manifest: Manifest, case: str) -> Manifest:
    """Return the manifest of a last cycle, read from its file as a flow run does."""
    from collibra_tasks.ledger.manifest import Manifest
    from collibra_tasks.models import AssetRow

    if case == CASES[1]:
        return Manifest.from_bytes(manifest.to_bytes())
    if case != CASES[2]:
        return Manifest.from_rows([])
    rows = (
        AssetRow(f"external erp/{number:08}", *row[1:4], row.asset.rpartition(" > ")[2])
        for number, row in enumerate(manifest)
    )
    return Manifest.from_bytes(Manifest.from_rows(rows).to_bytes())


def print_reasons(manifest: Manifest, previous: Manifest) -> None:
    """Compare two cycles and print the number of reasons to ask a person."""
    from collibra_tasks.cycle.guard import check_removal
    from collibra_tasks.cycle.plan import plan_removal
    from collibra_tasks.models import FinalizationRequest, FinalizationStrategy
    from collibra_tasks.options import RemovalLimits

    request = FinalizationRequest("nightly", FinalizationStrategy.REMOVE_RESOURCES)
    plan = plan_removal(request, manifest, previous, generation=1, tracked=previous)
    reasons = check_removal(plan, RemovalLimits()).reasons
    print(f"  {len(reasons)} reasons to ask", file=sys.stderr)


def _ignore(_: str) -> None:
    """Drop a log line."""


def measure(what: str, path: Path, case: str = "") -> dict[str, float]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, __file__, "--measure", what, str(path), case]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this very file
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def print_measurement(what: str, path: Path, case: str) -> None:
    """Measure in this process and print the figures for the process that started it."""
    sys.path.insert(0, str(ROOT))
    if what in ("steps", "parser"):
        import collibra_tasks.cycle.guard
        import collibra_tasks.sources.opening  # noqa: F401 - imports are not measured
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.perf_counter()
    if what == "steps":
        figures = run_steps(path, case)
    elif what == "parser":
        figures = run_parser(path)
    else:
        figures = {"count": READERS[what][1](path)}
    figures["seconds"] = time.perf_counter() - begun
    figures["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**figures, "before": before}))


def compare_readers(folder: Path, rows: int) -> None:
    """Print each step in multiples of the fastest reader, for every format."""
    for kind, (module, _) in READERS.items():
        if find_spec(module) is None or (kind == "excel" and find_spec("openpyxl") is None):
            print(f"{kind}: skipped, {module} or openpyxl is not installed")
            continue
        path = folder / f"rows.{'xlsx' if kind == 'excel' else kind}"
        WRITERS[kind](path, rows)
        fastest, ours = measure(kind, path), measure("steps", path)
        print(f"{kind}: {rows:,} rows, {path.stat().st_size / 1e6:.0f} MB; {module} = 1.0")
        for step in STEPS:
            print(f"  {step:<20} {ours[step] / fastest['seconds']:6.1f}")
        print_memory(fastest, ours)


def compare_splitting(folder: Path, commands: int) -> None:
    """Print the throughput of each step as a share of the parser's, for one large JSON array."""
    path = folder / "large.json"
    write_json(path, commands)
    parser = measure("parser", path)
    print(f"json: {commands:,} commands, {path.stat().st_size / 1e6:.0f} MB; parser = 100%")
    for case in CASES:
        ours = measure("steps", path, case if case != CASES[0] else "")
        print(f"with {case}:")
        print_splitting(parser, ours)
        print_memory(parser, ours)


def print_splitting(parser: dict[str, float], ours: dict[str, float]) -> None:
    for step in [each for each in (*STEPS, "plan and guard") if each in ours]:
        print(f"  {step:<20} {parser['parse'] / ours[step]:6.0%} of the parser's throughput")
    total = sum(ours[step] for step in STEPS)
    print(f"  {'all steps':<20} {parser['parse'] / total:6.0%}")
    cost = (ours[STEPS[1]] + ours[STEPS[3]]) / total
    print(f"  spool, merge and order take {cost:.0%} of the time")


def print_memory(reader: dict[str, float], ours: dict[str, float]) -> None:
    print(
        f"  peak memory: reader {reader['peak']:,.0f} MiB, library {ours['peak']:,.0f} MiB "
        f"({ours['before']:,.0f} MiB after the imports)"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument(
        "--measure", nargs=3, metavar=("WHAT", "PATH", "CASE"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.measure:
        what, path, case = options.measure
        print_measurement(what, Path(path), case)
        return
    with tempfile.TemporaryDirectory() as name:
        compare_readers(Path(name), options.rows)
        compare_splitting(Path(name), options.commands)


if __name__ == "__main__":
    main()
