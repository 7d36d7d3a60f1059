"""Promises of the credentials block, without a Prefect server."""

import pytest
from pydantic import ValidationError

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.settings import CollibraConnection
from tests.support.clients import CANARIES, connection_of


@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
def test_from_settings_keeps_every_field(auth_type: str) -> None:
    """A block has the values of the settings, and shows no secret."""
    proxy = "http://robot:canary-password@proxy.test:3128"
    given = connection_of(auth_type, proxy=proxy, environment="production")
    block = CollibraCredentials.from_settings(given)

    assert all(
        getattr(given, name) == getattr(block, name) for name in CollibraConnection.model_fields
    )
    shown = f"{block!r} {block} {block.model_dump_json()}"
    assert not [canary for canary in CANARIES if canary in shown]


def test_block_secrets_are_encrypted_fields() -> None:
    """Prefect stores password, token, client secret and proxy encrypted."""
    secrets = CollibraCredentials.model_json_schema()["secret_fields"]

    assert {"password", "token", "client_secret", "proxy"} == set(secrets)


def test_block_form_is_flat_and_described() -> None:
    """Each field of the block's form is a plain input with a help text."""
    fields = CollibraCredentials.model_json_schema()["properties"]

    assert [] == [name for name, field in fields.items() if not field.get("description")]
    assert not [name for name, field in fields.items() if "$ref" in field or "anyOf" in field]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"username": "a", "password": "canary", "token": "canary"}, "token"),
        ({"auth_type": "oauth", "client_id": "canary"}, "client_secret"),
        ({}, "username and password"),
    ],
)
def test_block_errors_name_fields_without_values(fields: dict[str, str], name: str) -> None:
    """Two ways to authenticate, or none, are refused by field name."""
    with pytest.raises(ValidationError) as caught:
        CollibraCredentials.model_validate({"base_url": "https://a.test", **fields})

    assert name in str(caught.value)
    assert "canary" not in str(caught.value)


def test_get_client_returns_client_of_the_environment() -> None:
    """The block's client sends to the block's URL."""
    block = CollibraCredentials.from_settings(connection_of(base_url="http://127.0.0.1:9"))

    with block.get_client() as client:
        assert isinstance(client, CollibraClient)
        assert "http://127.0.0.1:9" == client.base_url
