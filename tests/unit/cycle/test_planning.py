"""Plans without a cycle: the same plan as a cycle makes, and no trace except its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.plan_report import plan_sentence, render_plan
from collibra_tasks.cycle.planning import PlanPreview, make_plan
from collibra_tasks.cycle.validation import Validation, validate_content
from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.entry import Phase
from collibra_tasks.ledger.plans import ShownPlans
from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    FinalizationRequest,
    FinalizationStrategy,
    FlowRunInfo,
)
from collibra_tasks.options import CycleOptions, RemovalLimits, SourceOptions
from collibra_tasks.sources.opening import open_source
from tests.support.sessions import NIGHTLY, World, numbered, tables

Commands = Sequence[Mapping[str, Any]]
WRITES = ("POST", "DELETE", "PUT", "PATCH")


@dataclass
class PlanningWorld(World):
    """A world in which an operator plans cycles without running them."""

    validation: Validation | None = None

    def preview(
        self,
        commands: Commands,
        *,
        strategy: str = "CHANGE_STATUS",
        status_id: str = MISSING_FROM_SOURCE,
        evicts: bool = False,
        validate: bool = False,
        run: FlowRunInfo | None = None,
    ) -> PlanPreview:
        """Plan a cycle, with Collibra's own check of the content if ``validate`` is true."""
        request = FinalizationRequest(NIGHTLY, FinalizationStrategy(strategy), status_id)
        with (
            open_source(commands, SourceOptions()) as opened,
            opened.scan(log=self.log.append) as content,
            self.session(run) as session,
        ):
            plans = ShownPlans(self.store, session.environment.key, NIGHTLY, log=self.log.append)
            preview = make_plan(
                session, request, content, RemovalLimits(), plans=plans, evicts=evicts
            )
            if validate:
                self.validation = validate_content(session, preview.content, wait_seconds=60)
            return preview

    def plan(self, commands: Commands, **more: Any) -> RemovalPlan:
        """Return the plan of a cycle."""
        return self.preview(commands, **more).plan

    def plan_of_cycle(self, commands: Commands, **more: Any) -> RemovalPlan:
        """Run a cycle, and return its last plan."""
        self.synchronize_or_error(commands, **more)
        return self.record.plans[-1]

    @property
    def writes(self) -> list[str]:
        """Paths of the requests that could change Collibra."""
        return [each.url.path for each in self.sandbox.requests if each.method in WRITES]


@pytest.fixture
def world() -> PlanningWorld:
    return PlanningWorld()


@pytest.mark.parametrize("strategy", ["CHANGE_STATUS", "REMOVE_RESOURCES", "IGNORE"])
@pytest.mark.parametrize("count", [20, 19, 10, 25])
def test_make_plan_equals_the_cycle(world: PlanningWorld, strategy: str, count: int) -> None:
    """A plan and the cycle after it have the same ID, counts and reasons."""
    world.synchronize(numbered(20), strategy=strategy)

    planned = world.plan(numbered(count), strategy=strategy)

    assert world.plan_of_cycle(numbered(count), strategy=strategy) == planned
    assert world.record.plans[-1].plan_id == planned.plan_id


def test_make_plan_first_cycle(world: PlanningWorld) -> None:
    """In a first cycle, every asset is new, nothing can be missing, and no approval is needed."""
    preview = world.preview(numbered(3))

    assert (3, 3, 0) == (
        preview.plan.asset_count,
        preview.plan.new_count,
        preview.plan.missing_count,
    )
    assert preview.plan.allowed
    assert 3 == len(preview.new_assets)
    assert preview.plan.plan_id == world.plan_of_cycle(numbered(3)).plan_id


def test_make_plan_changes_nothing(world: PlanningWorld) -> None:
    """A plan writes neither to Collibra nor to ledger, lock and storage."""
    world.synchronize(numbered(20))
    sent, kept, manifests = (
        len(world.writes),
        world.store.snapshot(),
        world.storage.list_manifests(),
    )

    world.plan(numbered(19))

    assert sent == len(world.writes)
    assert kept == world.store.snapshot()
    assert manifests == world.storage.list_manifests()


def test_make_plan_records_what_needs_approval(world: PlanningWorld) -> None:
    """A plan beyond the limits adds one record, that of the shown plan."""
    world.synchronize(numbered(20))
    before = world.store.snapshot()

    world.plan(numbered(10))

    changed = {name for name, value in world.store.snapshot().items() if before.get(name) != value}
    assert 1 == len(changed)
    assert "collibra-plan" in changed.pop()


def test_make_plan_can_be_approved(world: PlanningWorld) -> None:
    """A shown plan is approved by its number in the first run of the cycle."""
    world.synchronize(numbered(20))
    plan = world.plan(numbered(10))

    options = CycleOptions(accept_missing_count=plan.number, accept_reason="schema was dropped")
    world.synchronize(numbered(10), options=options)

    assert not plan.allowed
    assert 2 == world.sandbox.finalizations


def test_make_plan_of_the_same_caller_approves_nothing(world: PlanningWorld) -> None:
    """A program that plans and approves in one flow run approves what no person has seen."""
    world.synchronize(numbered(20))
    caller = world.new_run()
    plan = world.plan(numbered(10), run=world.new_run(root_id=caller.id))

    options = CycleOptions(accept_missing_count=plan.number, accept_reason="automatic")
    error = world.synchronize_or_error(
        numbered(10), run=world.new_run(root_id=caller.id), options=options
    )

    assert isinstance(error, FinalizationRefusedError)
    assert "start a new flow run" in str(error)


def test_make_plan_empty_source_is_refused(world: PlanningWorld) -> None:
    """An empty source is refused, and its plan cannot be approved."""
    world.synchronize(numbered(20))
    before = world.store.snapshot()

    plan = world.plan([{"resourceType": "Community", "identifier": {"name": "Data Warehouse"}}])

    assert plan.refusals
    assert not plan.allowed
    assert before == world.store.snapshot()


def test_make_plan_unknown_status(world: PlanningWorld) -> None:
    """A status that Collibra does not have refuses the plan as it refuses the cycle."""
    with pytest.raises(FinalizationRefusedError, match="no status"):
        world.plan(numbered(3), status_id="00000000-0000-0000-0000-00000000beef")


def test_make_plan_after_foreign_finalization(world: PlanningWorld) -> None:
    """A finalization by others counts as in a cycle, and is not recorded by the plan."""
    world.synchronize(numbered(20))
    world.clock.advance(60)
    world.sandbox.finalize_by_hand(NIGHTLY, strategy="IGNORE")
    world.clock.advance(60)
    before = world.store.snapshot()

    planned = world.plan(numbered(10))

    changed = {name for name, value in world.store.snapshot().items() if before.get(name) != value}
    assert all("collibra-plan" in name for name in changed)
    assert planned.plan_id == world.plan_of_cycle(numbered(10)).plan_id


def test_make_plan_after_killed_run(world: PlanningWorld) -> None:
    """A finalization that failed without its flow run counts as failed; nothing is recorded."""
    world.synchronize(numbered(20))
    world.sandbox.end_jobs_as("FAILED")
    world.synchronize_or_error(numbered(18))
    with world.session() as session:
        newest = session.ledger.newest()
        assert newest is not None
        assert newest.failed
        session.ledger.update(replace(newest, phase=Phase.SENT, failed=False, outcome=None))

    planned = world.plan(numbered(18))

    with world.session() as session:
        kept = session.ledger.newest()
    assert kept is not None
    assert Phase.SENT == kept.phase
    assert (20, 2) == (planned.previous_count, planned.missing_count)
    assert planned.plan_id == world.plan_of_cycle(numbered(18)).plan_id


def test_make_plan_open_finalization_is_a_note(world: PlanningWorld) -> None:
    """A finalization that runs, or whose outcome is unknown, is a note and no error."""
    world.synchronize(numbered(20))
    world.sandbox.configure(job_seconds=1_000)
    job_id = world.sandbox.import_by_hand("other", numbered(1)).id
    with world.session() as session:
        newest = session.ledger.newest()
        assert newest is not None
        session.ledger.update(newest.with_job(session.client.get_job(job_id)))
    running = world.plan(numbered(20))
    with world.session() as session:
        session.ledger.update(replace(newest, phase=Phase.INTENDED, job_id=None))
    unknown = world.plan(numbered(20))

    assert any(f"has not ended (job {job_id})" in note for note in running.notes)
    assert any("run resolve-finalization first" in note for note in unknown.notes)


def test_make_plan_running_batch_is_a_note(world: PlanningWorld) -> None:
    """A job that still runs is only a note; the plan does not wait for it."""
    world.synchronize(numbered(20))
    world.sandbox.configure(job_seconds=1_000)
    job_id = world.sandbox.import_by_hand(NIGHTLY, numbered(20)).id
    started = world.clock.now()

    plan = world.plan(numbered(20))

    assert any(job_id in note for note in plan.notes)
    assert (world.clock.now() - started).total_seconds() < 100


def test_make_plan_evict_before(world: PlanningWorld) -> None:
    """Clearing Collibra's memory before REMOVE_RESOURCES needs an approval, as in a cycle."""
    world.synchronize(numbered(20), strategy="REMOVE_RESOURCES")

    plan = world.plan(numbered(20), strategy="REMOVE_RESOURCES", evicts=True)

    assert any("evict_before" in reason for reason in plan.reasons)
    options = CycleOptions(evict_before=True)
    cycle = world.plan_of_cycle(numbered(20), strategy="REMOVE_RESOURCES", options=options)
    assert plan.plan_id == cycle.plan_id


def test_validate_content_valid_source(world: PlanningWorld) -> None:
    """A valid source has no finding, and the simulated import stores nothing."""
    world.preview(numbered(5), validate=True)

    assert Validation() == world.validation
    assert set() == world.sandbox.asset_names()
    assert ["/rest/2.0/import/json-job"] == world.writes


def test_validate_content_rejected_command() -> None:
    """A command that Collibra rejects is counted and named with its asset and its cause."""
    world = PlanningWorld(sandbox_options={"create_named_domains": False})

    world.preview(numbered(2), validate=True)

    assert world.validation is not None
    (reason,) = world.validation.reasons
    assert reason.startswith("Collibra rejected 1 command: first commands, index 0 (")
    assert "t1" in reason
    assert set() == world.sandbox.asset_names()


def test_validate_content_later_batch_is_a_note(world: PlanningWorld) -> None:
    """A later batch may fail only because the simulation stored nothing: that is a note."""
    first, second = numbered(2)
    relation = "00000000-0000-0000-0000-000000007042:TARGET"
    circle = [
        first | {"relations": {relation: [second["identifier"]]}},
        second | {"relations": {relation: [first["identifier"]]}},
    ]

    world.preview(circle, validate=True)

    assert world.validation is not None
    assert () == world.validation.reasons
    (note,) = world.validation.notes
    assert "in batch 2" in note


def test_render_plan_lists_assets_and_approval(world: PlanningWorld) -> None:
    """The report names new and missing assets by domain, and the number to approve."""
    world.synchronize(numbered(20))

    preview = world.preview([*numbered(9), *tables("fresh", domain="Other")])
    text = render_plan(preview)

    assert "needs an approval" in text
    assert "accept_missing_count=11" in text
    assert "## New assets" in text
    assert "fresh" in text
    assert "## Missing assets" in text
    assert "t20" in text
    assert preview.plan.plan_id in plan_sentence(preview.plan)


def test_render_plan_shows_at_most_100_assets(world: PlanningWorld) -> None:
    """A long list ends after 100 assets with the number of the others."""
    text = render_plan(world.preview(numbered(105)))

    assert "and 5 more" in text
