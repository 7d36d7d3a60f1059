"""What earlier cycles leave behind: nothing of it goes missing without anybody being asked."""

from pathlib import Path

import pytest
from prefect.filesystems import LocalFileSystem

from collibra_tasks import CollibraCredentials
from collibra_tasks.errors import (
    FinalizationRefusedError,
    JobError,
    JobIncompleteError,
    JobTimedOutError,
)
from collibra_tasks.ledger import Ledger
from collibra_tasks.manifest import Manifest
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.shelf import KEPT_MANIFESTS, Shelf
from collibra_tasks.variables import VariableStore
from flows.finalize_synchronization import finalize_synchronization
from tests.conftest import ImportCycle
from tests.flows.cycles import Mirror, fail_batch

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder behind the storage block ``local-file-system/kept``."""
    folder = tmp_path / "kept"
    LocalFileSystem(basepath=str(folder)).save("kept", overwrite=True)
    return folder


def lose_record(tenant: Sandbox) -> None:
    """Leave nothing on the Prefect server, as when a run looks at another one."""
    store = VariableStore()
    slug = Ledger(store, tenant.url, "nightly").slug
    for kept in list(store.find("collibra-")):
        if slug in kept.name:
            store.delete(kept.name)


def test_the_next_run_tells_of_an_unfinished_cycle(mirror: Mirror, tenant: Sandbox) -> None:
    """After a run that stopped half way, the next says what still counts as present."""
    mirror(20)
    fail_batch(tenant, 2)
    with pytest.raises(JobIncompleteError):
        mirror(20, max_commands_per_batch=10)

    receipt = mirror(20)

    assert any("did not finish" in note for note in receipt.notes)


def test_no_batch_is_sent_beside_one_that_was_left_at_work(mirror: Mirror, tenant: Sandbox) -> None:
    """A batch that an earlier run stopped following ends before the next cycle's first is sent."""
    tenant.run_jobs_for(3600)
    for _ in range(2):
        with pytest.raises(JobTimedOutError):
            mirror(20, wait_seconds=0)
    assert 1 == tenant.batches

    tenant.run_jobs_for(0)
    tenant.finish_jobs()
    assert mirror(20).succeeded
    assert 2 == tenant.batches


def test_a_cycle_after_one_without_a_manifest_asks(
    credentials: CollibraCredentials, mirror: Mirror, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """Where nothing tells what the last cycle held, a person has to say that this one is whole."""
    finalize_synchronization(
        credentials, "nightly", batch_job_ids=[import_cycle(20)], wait_seconds=20
    )
    with pytest.raises(FinalizationRefusedError):
        mirror(20)

    assert mirror(20, accept_missing_count=20, accept_reason="counted").succeeded
    assert 2 == tenant.finalizations


def test_a_failed_finalization_hides_nothing_from_the_guard(
    mirror: Mirror, tenant: Sandbox
) -> None:
    """What a failed finalization should have dealt with is still counted in the next cycle."""
    mirror(20)
    tenant.end_jobs_as("ERROR", "FAILURE", on="finalize")
    with pytest.raises(JobError):
        mirror(12, accept_missing_count=8, accept_reason="a schema was dropped")

    with pytest.raises(FinalizationRefusedError, match="accept_missing_count=8"):
        mirror(12)


def test_what_an_unfinished_cycle_brought_is_not_forgotten(mirror: Mirror, tenant: Sandbox) -> None:
    """Assets that only a broken cycle brought are counted before the cycle that would lose them."""
    mirror(20, strategy="REMOVE_RESOURCES")
    fail_batch(tenant, 2)
    with pytest.raises(JobIncompleteError):
        mirror(40, max_commands_per_batch=30)
    mirror(20, strategy="REMOVE_RESOURCES")

    with pytest.raises(FinalizationRefusedError, match="accept_missing_count=20"):
        mirror(20, strategy="REMOVE_RESOURCES")


def test_a_synchronization_without_a_record_is_not_taken_for_new(
    mirror: Mirror, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """Where Collibra knows what Prefect has no record of, a person has to repeat the number."""
    import_cycle(20)
    with pytest.raises(FinalizationRefusedError, match="accept_missing_count=12"):
        mirror(12)
    assert 1 == tenant.batches

    assert mirror(12, accept_missing_count=12, accept_reason="moved from a script").succeeded


def test_a_first_cycle_may_be_begun_again(mirror: Mirror, tenant: Sandbox) -> None:
    """After a first cycle that broke, nobody is asked about what these runs themselves brought."""
    fail_batch(tenant, 2)
    with pytest.raises(JobIncompleteError):
        mirror(20, max_commands_per_batch=10)

    assert mirror(20).succeeded


@pytest.mark.parametrize("cycles", [1, 2])
def test_without_its_record_no_cycle_is_the_first(
    mirror: Mirror, tenant: Sandbox, cycles: int
) -> None:
    """Where the Prefect server has lost what it knew, no shrunken cycle is taken for a new one."""
    for _ in range(cycles):
        mirror(20, strategy="REMOVE_RESOURCES")
    lose_record(tenant)

    with pytest.raises(FinalizationRefusedError, match="accept_missing_count"):
        mirror(2, strategy="REMOVE_RESOURCES")
    assert 20 == len(tenant.assets())


def test_what_a_failed_finalization_left_open_is_not_forgotten(
    mirror: Mirror, tenant: Sandbox
) -> None:
    """Assets of a cycle that may be open still are counted, also past one that removes nothing."""
    mirror(20)
    tenant.end_jobs_as("ERROR", "FAILURE", on="finalize")
    with pytest.raises(JobError):
        mirror(40)
    mirror(20, strategy="IGNORE")

    with pytest.raises(FinalizationRefusedError, match="accept_missing_count=20"):
        mirror(20, strategy="REMOVE_RESOURCES")
    assert 40 == len(tenant.assets())


def test_what_can_not_be_read_is_not_taken_for_nothing(
    mirror: Mirror, tenant: Sandbox, folder: Path
) -> None:
    """Where it can't be read what an unfinished cycle brought, the cycle after the next asks."""
    mirror(20, storage="local-file-system/kept")
    fail_batch(tenant, 2)
    with pytest.raises(JobIncompleteError):
        mirror(40, storage="local-file-system/kept", max_commands_per_batch=30)
    for progress in folder.rglob("progress.json"):
        progress.write_bytes(progress.read_bytes()[:-9])
    mirror(20, storage="local-file-system/kept")

    with pytest.raises(FinalizationRefusedError, match="accept_missing_count"):
        mirror(20, storage="local-file-system/kept", strategy="REMOVE_RESOURCES")


def test_a_storage_that_takes_nothing_stops_the_cycle(
    mirror: Mirror, tenant: Sandbox, folder: Path
) -> None:
    """What can't be remembered is not sent."""
    folder.write_text("a file, where a folder should be")

    with pytest.raises(FinalizationRefusedError):
        mirror(20, storage="local-file-system/kept")
    assert [] == tenant.jobs


def test_a_folder_of_manifests_does_not_grow_for_ever(tenant: Sandbox, folder: Path) -> None:
    """Of old manifests only those are kept that are needed."""
    shelf = Shelf(tenant.url, "nightly", "local-file-system/kept")
    names = [
        shelf.write_manifest(Manifest.from_identifiers([str(number)]))
        for number in range(KEPT_MANIFESTS + 5)
    ]
    shelf.forget_manifests(but=names[:1])

    assert KEPT_MANIFESTS + 1 == len(list(folder.rglob("*.manifest")))
    assert shelf.read_manifest(names[0]) is not None
