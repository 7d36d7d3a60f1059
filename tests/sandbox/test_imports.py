"""Plain imports, whole cycles in one call, tables and files."""

import io
import json
import sys
from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import MISSING, Caller, asset, job_id

IMPORT = "/rest/2.0/import"
WHOLE = f"{IMPORT}/synchronize/nightly"
TEMPLATE = json.dumps(
    [
        asset(
            "${1}", attributes={"Description": [{"value": "${2} (${1})"}], "Rows": [{"value": "7"}]}
        )
    ]
)
CSV = {"separator": ";", "quote": '"', "escape": "\\", "template": TEMPLATE}


def described_assets(caller: Caller) -> dict[str, str]:
    return {a.name: a.attributes["Description"][0] for a in caller.tenant.assets().values()}


def workbook(*sheets: list[list[Any]]) -> bytes:
    book = pytest.importorskip("openpyxl").Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize("path", [IMPORT, f"{WHOLE}/batch", WHOLE])
def test_rows_become_commands(caller: Caller, path: str) -> None:
    """Each row fills the template, in which columns are counted from 1."""
    rows = 'a;first\n"b;1";"say \\"hi\\""\n'
    job = job_id(caller.post_file(f"{path}/csv-job", rows, **CSV))

    assert ("COMPLETED", "SUCCESS") == caller.ended(job)
    assert {"a": "first (a)", "b;1": 'say "hi" (b;1)'} == described_assets(caller)


@pytest.mark.parametrize(
    ("rows", "more"),
    [
        ("name|text\na|first", {"separator": "|", "headerRow": "true"}),
        ("'a';'first'", {"quote": "'"}),
        ('a;"first"', {"escape": '"'}),
        ('a;  "first"', {"ignoreLeadingWhitespace": "True"}),
        ("\ufeffa;first\r\n", {}),
    ],
)
def test_a_csv_file_is_read_as_described(caller: Caller, rows: str, more: dict[str, str]) -> None:
    """Separator, quote, escape, white space and the first row are as the form says."""
    caller.post_file(f"{IMPORT}/csv-job", rows.encode(), **(CSV | more))

    assert {"a": "first (a)"} == described_assets(caller)


@pytest.mark.parametrize(
    "parts",
    [
        *({name: part for name, part in CSV.items() if name != left} for left in CSV),
        CSV | {"separator": ";;"},
        CSV | {"template": "no json"},
        CSV | {"template": "{}"},
    ],
)
def test_a_csv_form_must_be_whole(caller: Caller, parts: dict[str, str]) -> None:
    """Separator, quote, escape and template are mandatory."""
    assert 400 == caller.post_file(f"{IMPORT}/csv-job", "a;b", **parts).status_code


@pytest.mark.parametrize("content", [b"a", b'a;"open', b"\xff"])
def test_a_csv_file_that_does_not_fit_fails_the_job(caller: Caller, content: bytes) -> None:
    """A missing column, an open quote or bad bytes are found out by the job."""
    job = job_id(caller.post_file(f"{IMPORT}/csv-job", content, **CSV))

    assert ("ERROR", "FAILURE") == caller.ended(job)


@pytest.mark.parametrize(
    ("more", "name"),
    [({}, "0"), ({"sheetIndex": "1"}, "1"), ({"sheetName": "Sheet 1"}, "1")],
)
def test_an_excel_sheet_is_chosen(caller: Caller, more: dict[str, str], name: str) -> None:
    """The first sheet, or the one of an index or a name; cells may hold numbers."""
    content = workbook([["h", "h"], ["0", 5]], [["h", "h"], ["1", None]])
    parts = {"template": TEMPLATE, "headerRow": "true"} | more
    caller.post_file(f"{IMPORT}/excel-job", content, **parts)

    assert {name: f"{'5' if name == '0' else ''} ({name})"} == described_assets(caller)


@pytest.mark.parametrize("more", [{"sheetName": "Nowhere"}, {"sheetIndex": "9"}])
def test_a_sheet_that_is_not_there_fails_the_job(caller: Caller, more: dict[str, str]) -> None:
    """A workbook without the wanted sheet is found out by the job."""
    parts = {"template": TEMPLATE} | more
    job = job_id(caller.post_file(f"{IMPORT}/excel-job", workbook([]), **parts))

    assert ("ERROR", "FAILURE") == caller.ended(job)


def test_what_is_no_workbook_fails_the_job(caller: Caller) -> None:
    """A file of another kind is found out by the job."""
    pytest.importorskip("openpyxl")
    job = job_id(caller.post_file(f"{IMPORT}/excel-job", b"no workbook", template=TEMPLATE))

    assert ("ERROR", "FAILURE") == caller.ended(job)


def test_excel_files_need_openpyxl(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without openpyxl the request is refused, and no job is left behind."""
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    answer = caller.post_file(f"{IMPORT}/excel-job", b"any", template=TEMPLATE)

    assert 501 == answer.status_code
    assert [] == caller.tenant.jobs


def upload(caller: Caller, content: str) -> Any:
    answer = caller.http.post("/rest/2.0/files", files={"file": ("tables.json", content)})
    assert 201 == answer.status_code
    (described,) = answer.json()
    return described


def import_file(caller: Caller, path: str, file_id: str, **parts: str) -> Any:
    files = {name: (None, value) for name, value in {"fileId": file_id, **parts}.items()}
    return caller.http.post(f"{path}/json-job", files=files)


def test_a_file_can_come_first(caller: Caller) -> None:
    """An uploaded file is described, imported by its id and still there afterwards."""
    described = upload(caller, json.dumps([asset("a")]))
    import_file(caller, IMPORT, described["id"])

    assert {"a"} == caller.tenant.asset_names()
    assert ("tables.json", "json") == (described["name"], described["extension"])
    assert described == caller.get(f"/rest/2.0/files/{described['id']}/info").json()


@pytest.mark.parametrize(
    ("path", "content", "kept"),
    [
        (IMPORT, "[]", False),
        (IMPORT, "no json", True),
        (f"{WHOLE}/batch", "[]", False),
        (f"{WHOLE}/batch", "no json", False),
    ],
)
def test_a_file_goes_with_its_job(caller: Caller, path: str, content: str, *, kept: bool) -> None:
    """With deleteFile a file goes after a good import, and after a synchronization in any case."""
    file_id = upload(caller, content)["id"]
    caller.older_job(job_id(import_file(caller, path, file_id, deleteFile="true")))

    assert kept == (200 == caller.get(f"/rest/2.0/files/{file_id}/info").status_code)


def test_a_file_can_be_deleted(caller: Caller) -> None:
    """A deleted file is not found any more, neither for another deletion nor for an import."""
    file_id = upload(caller, "[]")["id"]
    assert 204 == caller.http.delete(f"/rest/2.0/files/{file_id}").status_code

    assert 404 == caller.http.delete(f"/rest/2.0/files/{file_id}").status_code
    assert 404 == import_file(caller, IMPORT, file_id).status_code


def test_a_file_comes_in_one_way(caller: Caller) -> None:
    """Both file and fileId, or neither, is refused."""
    file_id = upload(caller, "[]")["id"]
    both = caller.post_file(f"{IMPORT}/json-job", "[]", fileId=file_id)
    neither = caller.http.post(f"{IMPORT}/json-job", files={"foo": (None, "bar")})

    assert (400, 400) == (both.status_code, neither.status_code)
    assert 400 == caller.http.post("/rest/2.0/files", files={"f": (None, "x")}).status_code


def whole(caller: Caller, *names: str, **parts: str) -> str:
    commands = json.dumps([asset(name) for name in names])
    return job_id(caller.post_file(f"{WHOLE}/json-job", commands, **parts))


def test_one_call_is_a_whole_cycle(caller: Caller) -> None:
    """Import and finalization in one job, which removes what is missing unless told otherwise."""
    whole(caller, "a", "b")
    job = whole(caller, "a", "c")

    assert {"a", "c"} == caller.tenant.asset_names()
    assert {"added": 1, "removed": 1} == caller.counters(job)
    assert (2, 0) == (caller.tenant.finalizations, caller.tenant.batches)


def test_one_call_can_mark(caller: Caller) -> None:
    """The strategies are those of a finalization."""
    whole(caller, "a", "b")
    whole(caller, "a", finalizationStrategy="CHANGE_STATUS", missingAssetStatusId=MISSING)

    assert MISSING == caller.tenant.assets()["Warehouse", "Tables", "b"].status_id


def test_a_failed_import_is_not_finalized(caller: Caller) -> None:
    """Where one call's import fails, nothing goes missing."""
    whole(caller, "a")
    job = job_id(caller.post_file(f"{WHOLE}/json-job", "[{}]", continueOnError="false"))

    assert ("ERROR", "FAILURE") == caller.ended(job)
    assert {"a"} == caller.tenant.asset_names()


def test_a_simulation_changes_nothing(caller: Caller) -> None:
    """A plain import can be simulated, but not while continuing on errors."""
    parts = {"simulation": "true", "continueOnError": "false"}
    job = job_id(caller.post_file(f"{IMPORT}/json-job", json.dumps([asset("a")]), **parts))
    bare = caller.post_file(f"{IMPORT}/json-job", "[]", simulation="true")

    assert ("COMPLETED", "SUCCESS") == caller.ended(job)
    assert set() == caller.tenant.asset_names()
    assert 400 == bare.status_code


def test_a_simulated_batch_is_real(caller: Caller) -> None:
    """Synchronization ignores simulation."""
    caller.batch(asset("a"), simulation="true")

    assert {"a"} == caller.tenant.asset_names()


@pytest.mark.parametrize("written", ["True", "true", "TRUE"])
def test_booleans_come_in_any_capitals(written: str) -> None:
    """The official client writes True, which counts."""
    with Sandbox(version="2026.06.0") as tenant, Caller(tenant) as caller:
        caller.batch({}, asset("a"), continueOnError=written)

        assert {"a"} == tenant.asset_names()


def test_an_action_is_one_of_two(caller: Caller) -> None:
    """An unknown relationsAction is refused."""
    answer = caller.post_file(f"{IMPORT}/json-job", "[]", relationsAction="MERGE")

    assert 400 == answer.status_code
