"""What the finalize request says, as the tenant received it."""

from typing import Any

import pytest

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.models import MISSING_FROM_SOURCE, FinalizationStrategy
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.settings import CollibraConnection


def client_of(tenant: Sandbox) -> CollibraClient:
    return CollibraClient(
        CollibraConnection.model_validate(
            {"base_url": tenant.url, "username": tenant.username, "password": tenant.password}
        )
    )


def sent(tenant: Sandbox, **request: Any) -> dict[str, tuple[str, str | None]]:
    with client_of(tenant) as client:
        client.submit_finalization("nightly", version=client.get_version(), **request)
    return {
        name: (
            part.value.decode() if isinstance(part.value, bytes) else part.value,
            part.content_type,
        )
        for name, part in tenant.finalization_requests[-1].parts.items()
    }


@pytest.mark.parametrize("strategy", FinalizationStrategy)
def test_the_strategy_is_always_said(tenant: Sandbox, strategy: FinalizationStrategy) -> None:
    """No strategy is left to the tenant's default, which deletes."""
    parts = sent(tenant, strategy=strategy, missing_asset_status_id=MISSING_FROM_SOURCE)

    assert strategy.value == parts["finalizationStrategy"][0]


@pytest.mark.parametrize("strategy", ["REMOVE_RESOURCES", "IGNORE"])
def test_the_status_goes_out_with_change_status_only(tenant: Sandbox, strategy: str) -> None:
    """A status that is given with another strategy is not sent."""
    parts = sent(
        tenant,
        strategy=FinalizationStrategy(strategy),
        missing_asset_status_id=MISSING_FROM_SOURCE,
    )

    assert {"finalizationStrategy", "sendNotification"} == parts.keys()


@pytest.mark.parametrize("version", ["2022.08.0", "2026.07.3-47", "a word", None])
def test_a_current_tenant_gets_the_status_by_its_new_name(version: str | None) -> None:
    """Releases from 2022.08 on, and those that can't be read, get missingAssetStatusId."""
    with Sandbox(version=version) as tenant:
        parts = sent(
            tenant,
            strategy=FinalizationStrategy.CHANGE_STATUS,
            missing_asset_status_id=MISSING_FROM_SOURCE,
        )

    assert MISSING_FROM_SOURCE == parts["missingAssetStatusId"][0]
    assert "finalizationParameters" not in parts


@pytest.mark.parametrize("version", ["2022.05.1", "2021.10.0", "5.7.9-2"])
def test_an_older_tenant_gets_the_status_as_it_knows_it(version: str) -> None:
    """Releases before 2022.08 get finalizationParameters, as JSON with its own content type."""
    with Sandbox(version=version) as tenant:
        parts = sent(
            tenant,
            strategy=FinalizationStrategy.CHANGE_STATUS,
            missing_asset_status_id=MISSING_FROM_SOURCE,
        )

    text, content_type = parts["finalizationParameters"]
    assert f'{{"STATUS_ID": "{MISSING_FROM_SOURCE}"}}' == text
    assert "application/json" == content_type
    assert "missingAssetStatusId" not in parts


@pytest.mark.parametrize(("wish", "word"), [(True, "true"), (False, "false")])
def test_the_notification_is_asked_for_in_collibras_words(
    tenant: Sandbox,
    wish: bool,  # noqa: FBT001 - a case
    word: str,
) -> None:
    """A switch goes out as true or false, in lower case."""
    parts = sent(tenant, strategy=FinalizationStrategy.IGNORE, send_notification=wish)

    assert word == parts["sendNotification"][0]


@pytest.mark.parametrize(
    ("synchronization_id", "strategy", "status_id"),
    [
        ("nightly", "CHANGE_STATUS", None),
        ("nightly", "CHANGE_STATUS", ""),
        ("nightly", "CHANGE_STATUS", "Obsolete"),
        ("", "IGNORE", None),
        ("x" * 51, "IGNORE", None),
        ("a/b", "IGNORE", None),
        ("exists", "IGNORE", None),
        ("..", "IGNORE", None),
        (" nightly", "IGNORE", None),
        ("night\nly", "IGNORE", None),
    ],
)
def test_a_wrong_combination_is_not_sent(
    tenant: Sandbox, synchronization_id: str, strategy: str, status_id: str | None
) -> None:
    """What would not mean one thing to the tenant is refused before a byte leaves."""
    with client_of(tenant) as client, pytest.raises(FinalizationRefusedError) as caught:
        client.submit_finalization(
            synchronization_id,
            strategy=FinalizationStrategy(strategy),
            missing_asset_status_id=status_id,
        )

    assert 1 == len(caught.value.reasons)
    assert [] == tenant.requests


@pytest.mark.parametrize("synchronization_id", ["a b", "é", "x" * 50, "50%", "a?b#c"])
def test_any_other_id_arrives_as_it_was_written(tenant: Sandbox, synchronization_id: str) -> None:
    """Characters with a meaning in addresses do not change which synchronization is closed."""
    with client_of(tenant) as client:
        client.submit_finalization(synchronization_id, strategy=FinalizationStrategy.IGNORE)

    assert synchronization_id == tenant.finalization_requests[-1].synchronization_id
