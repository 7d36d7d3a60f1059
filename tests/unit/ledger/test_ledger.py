"""The ledger on an in-memory store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.entry import History, LedgerEntry, Phase, Resolution, ResolutionRecord
from collibra_tasks.ledger.ledger import MAX_KEPT_ENTRIES, Ledger
from collibra_tasks.ledger.marker import CycleMarker, CycleMarkers
from collibra_tasks.ledger.patterns import (
    MAX_PATTERN_LENGTH,
    MAX_PATTERNS,
    LearnedPattern,
    PatternBook,
    SetAsideJobs,
)
from collibra_tasks.ledger.store import StoreUnavailableError
from collibra_tasks.models import Job
from tests.support.memory_store import START, MemoryStore

NEW = LedgerEntry(environment="e", synchronization_id="nightly", strategy="IGNORE")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore) -> Ledger:
    return Ledger(store, "tenant.example", "nightly")


def claim(ledger: Ledger, generation: int) -> LedgerEntry:
    new = replace(NEW, synchronization_id=ledger.synchronization_id)
    entry = ledger.claim(new, generation=generation, history=History())
    assert entry is not None
    return entry


def test_claim_creates_next_entry(ledger: Ledger) -> None:
    """A claim creates the entry after the generation that was judged."""
    assert ledger.newest() is None
    entry = claim(ledger, 0)
    assert (entry.number, entry.phase) == (1, Phase.INTENDED)
    newest = ledger.newest()
    assert newest is not None
    assert newest.claim_id == entry.claim_id


def test_claim_of_older_generation(ledger: Ledger) -> None:
    """A claim fails if the judged generation is not the newest, and changes nothing."""
    first = claim(ledger, 0)
    assert ledger.claim(NEW, generation=0, history=History()) is None
    assert [each.claim_id for each in ledger.entries()] == [first.claim_id]


def test_claim_of_pruned_number(ledger: Ledger) -> None:
    """A process that stood still cannot claim the number of a deleted entry."""
    for generation in range(MAX_KEPT_ENTRIES + 5):
        claim(ledger, generation)
    assert ledger.claim(NEW, generation=1, history=History()) is None
    assert ledger.newest() == ledger.entries()[0]
    assert ledger.entries()[0].number == MAX_KEPT_ENTRIES + 5
    assert ledger.claim(NEW, generation=MAX_KEPT_ENTRIES + 5, history=History()) is not None


def test_claim_lost_response(store: MemoryStore, ledger: Ledger) -> None:
    """A claim whose response was lost counts if the record shows it."""
    store.lose_next("create")
    assert claim(ledger, 0).number == 1


def test_claim_without_effect(store: MemoryStore, ledger: Ledger) -> None:
    """A claim that the store did not take raises, and leaves no entry."""
    store.fail_next("create")
    with pytest.raises(StoreUnavailableError):
        ledger.claim(NEW, generation=0, history=History())
    assert ledger.newest() is None


def test_claim_keeps_decided_entry(store: MemoryStore, ledger: Ledger) -> None:
    """An intent that a person decided about while its process stood still stays on record."""
    record = ResolutionRecord(resolution=Resolution.NOT_SENT, by="ada", on=START, reason="r")

    def decide(operation: str, _name: str) -> None:
        store.clear_hooks()
        newest = ledger.newest()
        assert newest is not None, operation
        ledger.update(replace(newest.withdrawn(), resolution=record))
        claim(ledger, newest.number)

    store.hooks["after"] = decide
    assert ledger.claim(NEW, generation=0, history=History()) is None
    assert [each.number for each in ledger.entries()] == [2, 1]
    assert ledger.entries()[1].resolution == record


def test_claim_prunes_old_entries(store: MemoryStore, ledger: Ledger) -> None:
    """The ledger keeps a limited number of entries."""
    for generation in range(3 * MAX_KEPT_ENTRIES):
        claim(ledger, generation)
    assert len(ledger.entries()) == MAX_KEPT_ENTRIES
    assert len(store.snapshot()) == MAX_KEPT_ENTRIES


def test_claim_prunes_withdrawn_entries(ledger: Ledger) -> None:
    """Withdrawn entries are deleted, except those that a person decided about."""
    record = ResolutionRecord(resolution=Resolution.NOT_SENT, by="ada", on=START, reason="r")
    ledger.update(claim(ledger, 0).withdrawn())
    ledger.update(replace(claim(ledger, 1).withdrawn(), resolution=record))
    claim(ledger, 2)
    assert [each.number for each in ledger.entries()] == [3, 2]


def test_claim_survives_failing_prune(store: MemoryStore, ledger: Ledger) -> None:
    """A claim counts although old entries cannot be deleted."""
    ledger.update(claim(ledger, 0).withdrawn())
    store.fail_next("delete")
    assert claim(ledger, 1).number == 2


def test_update_unless_changed(ledger: Ledger) -> None:
    """A write that is based on an older state is not done."""
    entry = claim(ledger, 0)
    sent = entry.with_job(Job(id="f1"))
    assert ledger.update_unless_changed(entry, sent)
    assert not ledger.update_unless_changed(entry, entry.withdrawn())
    newest = ledger.newest()
    assert newest is not None
    assert (newest.phase, newest.job_id) == (Phase.SENT, "f1")


def test_update_unless_changed_deleted(store: MemoryStore, ledger: Ledger) -> None:
    """An entry that a person deleted is not written again."""
    entry = claim(ledger, 0)
    store.remove(ledger.name_of(1))
    assert not ledger.update_unless_changed(entry, entry.withdrawn())
    assert ledger.newest() is None


def test_owners_of_other_ledgers(store: MemoryStore, ledger: Ledger) -> None:
    """A finalization is found by its job ID, whatever synchronization it belongs to."""
    other = Ledger(store, "tenant.example", "weekly")
    other.update(claim(other, 0).with_job(Job(id="f1")))
    elsewhere = Ledger(store, "other.example", "weekly")
    elsewhere.update(claim(elsewhere, 0).with_job(Job(id="f2")))
    assert ledger.owners_of(["f1", "f2", "f3"]) == {"f1": "weekly"}
    assert ledger.owners_of([]) == {}


def test_newest_unreadable(store: MemoryStore, ledger: Ledger) -> None:
    """An entry that cannot be read is named, with the command that sets it aside."""
    store.put(ledger.name_of(4), "a note", [ledger.tag])
    with pytest.raises(FinalizationRefusedError, match=f"variable unset {ledger.name_of(4)}"):
        ledger.newest()
    with pytest.raises(FinalizationRefusedError):
        ledger.entries()


@pytest.mark.parametrize("suffix", ["", "-note", "-zzz", "-000001-copy", "-1", "-x000009"])
def test_newest_beside_variables_of_a_person(
    store: MemoryStore, ledger: Ledger, suffix: str
) -> None:
    """A person's variable that carries the ledger's tag neither hides an entry nor locks out."""
    store.put(ledger.tag + suffix, "a note", [ledger.tag])
    assert ledger.newest() is None
    first = claim(ledger, 0)
    newest = ledger.newest()
    assert newest is not None
    assert newest.claim_id == first.claim_id
    assert len(ledger.entries()) == 1
    assert claim(ledger, 1).number == 2


def test_newest_copied_entry(store: MemoryStore, ledger: Ledger) -> None:
    """A copy of an older entry under a higher number is named, and is not the newest entry."""
    claim(ledger, 0)
    copy = store.snapshot()[ledger.name_of(1)]
    store.put(ledger.name_of(7), copy, [ledger.tag])
    with pytest.raises(FinalizationRefusedError, match="copy of entry 1"):
        ledger.newest()
    store.remove(ledger.name_of(7))
    assert claim(ledger, 1).number == 2


def test_claim_number_that_lost_its_tag(store: MemoryStore, ledger: Ledger) -> None:
    """An entry that a person wrote again without its tag is found at the next claim."""
    first = claim(ledger, 0)
    name = ledger.name_of(1)
    store.put(name, store.snapshot()[name])
    assert ledger.newest() is None
    assert ledger.claim(NEW, generation=0, history=History()) is None
    newest = ledger.newest()
    assert newest is not None
    assert newest.claim_id == first.claim_id
    assert claim(ledger, 1).number == 2


def test_claim_number_of_a_note(store: MemoryStore, ledger: Ledger) -> None:
    """A note without a tag under the name of the next entry is named as the cause."""
    store.put(ledger.name_of(1), "a note")
    with pytest.raises(FinalizationRefusedError, match=f"variable unset {ledger.name_of(1)}"):
        ledger.claim(NEW, generation=0, history=History())


def test_owners_of_validation(store: MemoryStore, ledger: Ledger) -> None:
    """A simulated import of ours is found by its job ID, and belongs to no synchronization."""
    Ledger(store, "tenant.example", "weekly").explain_validation("v1")
    assert ledger.owners_of(["v1"]) == {"v1": ""}


def test_owners_of_many_jobs(store: MemoryStore, ledger: Ledger) -> None:
    """The owners of any number of jobs are one request, for the first ones."""
    ledger.update(claim(ledger, 0).with_job(Job(id="f1")))
    before = store.request_count
    assert ledger.owners_of(["f1", *(f"j{number}" for number in range(5000))]) == {"f1": "nightly"}
    assert store.request_count == before + 1


def test_entries_unreadable_older(store: MemoryStore, ledger: Ledger) -> None:
    """An older entry that cannot be read is left out."""
    store.put(ledger.name_of(0), {"format": 99}, [ledger.tag])
    claim(ledger, 0)
    assert len(ledger.entries()) == 1


@pytest.mark.parametrize("other", ["nightly-eu", "nightly_eu", "Nightly", "nightly.eu", "nightlY"])
def test_ledger_names_of_similar_ids(store: MemoryStore, ledger: Ledger, other: str) -> None:
    """Synchronizations with similar IDs have ledgers of their own."""
    claim(ledger, 0)
    assert Ledger(store, "tenant.example", other).newest() is None


def test_newest_requests(store: MemoryStore, ledger: Ledger) -> None:
    """Reading the newest entry is one request, whatever else the store holds."""
    for number in range(1000):
        store.put(f"other-{number}", {}, ["collibra"])
    ledger.newest()
    assert store.request_count == 1


def book_of(store: MemoryStore, log: list[str]) -> PatternBook:
    return PatternBook(store, "tenant.example", log=log.append)


def test_pattern_book_learns(store: MemoryStore) -> None:
    """Learned names are kept, newest first, each once, a limited number."""
    book = book_of(store, [])
    for number in range(2 * MAX_PATTERNS):
        book.learn(LearnedPattern(name=f"Close {number} {{}}", release="2026.7"))
        book.learn(LearnedPattern(name=f"Close {number} {{}}", release="2026.7"))
    assert len(book.read()) == MAX_PATTERNS
    assert book.read()[0].name == f"Close {2 * MAX_PATTERNS - 1} {{}}"


def test_pattern_book_long_names(store: MemoryStore) -> None:
    """Long names fit into the record; too long ones are not learned."""
    book = book_of(store, [])
    for number in range(2 * MAX_PATTERNS):
        book.learn(LearnedPattern(name=f"{number:02d}" + "統" * (MAX_PATTERN_LENGTH - 2)))
    assert book.read()[0].name.startswith("19")
    book.learn(LearnedPattern(name="x" * (MAX_PATTERN_LENGTH + 1)))
    assert book.read()[0].name.startswith("19")


@pytest.mark.parametrize(
    "value", [None, 1, [], {"patterns": 1}, {"patterns": [{"name": 5}]}, {"patterns": ["x"]}]
)
def test_pattern_book_unreadable(store: MemoryStore, value: object) -> None:
    """A book that a person edited counts as empty and can be written again."""
    log: list[str] = []
    book = book_of(store, log)
    store.put(book.name, value)
    assert book.read() == ()
    book.learn(LearnedPattern(name="Close {}"))
    assert book.read() == (LearnedPattern(name="Close {}"),)


def test_pattern_book_store_fails(store: MemoryStore) -> None:
    """A name that cannot be recorded is logged and disturbs nothing."""
    log: list[str] = []
    store.fail_next("create")
    book_of(store, log).learn(LearnedPattern(name="Close {}"))
    assert "could not be recorded" in log[0]


@pytest.mark.parametrize("name", [None, "", "Close", "Close ", "Close  now", "now Close x"])
def test_id_in_other_names(name: str | None) -> None:
    """A name that does not fit holds no ID."""
    assert LearnedPattern(name="Close {} now").id_in(name) is None


def test_id_in_overlapping_ends() -> None:
    """The parts before and after the ID may not overlap in a short name."""
    assert LearnedPattern(name="aa{}aa").id_in("aaa") is None
    assert LearnedPattern(name="aa{}aa").id_in("aaxaa") == "x"


def test_set_aside_jobs(store: MemoryStore) -> None:
    """Jobs that were set aside are kept with person and reason; long reasons are cut."""
    jobs = SetAsideJobs(store, "tenant.example", "nightly")
    for number in range(50):
        jobs.add(f"j{number}", "ada: " + "統" * 1000)
    assert "j49" in jobs.read()
    store.put(jobs.name, {"jobs": "note"})
    assert jobs.read() == {}


def test_cycle_markers(store: MemoryStore) -> None:
    """A marker is read as it was written; one that a person edited counts as absent."""
    log: list[str] = []
    markers = CycleMarkers(store, "tenant.example", "nightly", log=log.append)
    assert markers.read() is None
    marker = CycleMarker(generation=3, batch_count=2)
    markers.write(marker)
    markers.write(marker)
    assert markers.read() == marker
    store.put(markers.name, {"generation": "many"})
    assert markers.read() is None
    assert markers.name in log[0]
    markers.clear()
    assert markers.read() is None
