"""Credentials, kept by Prefect."""

from __future__ import annotations

from typing import Any, Self

from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict

from collibra_tasks.client import CollibraClient
from collibra_tasks.settings import CollibraConnection, CollibraSettings


class CollibraCredentials(CredentialsBlock, CollibraConnection):
    """Where a Collibra tenant is, and how to prove who we are.

    Choose one way to authenticate and fill in its fields; leave the others empty.

    Example:
        ```python
        from collibra_tasks import CollibraCredentials

        CollibraCredentials.from_settings().save("production")
        credentials = CollibraCredentials.load("production")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Collibra Credentials"
    _block_type_slug = "collibra-credentials"
    _description = "Where a Collibra tenant is, and how to prove who we are."

    @classmethod
    def from_settings(cls, settings: CollibraConnection | None = None) -> Self:
        """Take the connection from ``COLLIBRA_*`` variables or ``.env``, or from ``settings``.

        Raises:
            pydantic.ValidationError: If they do not make exactly one way to authenticate; the text
                names the variables and shows no value.
        """
        connection = settings or CollibraSettings()
        return cls(**{name: getattr(connection, name) for name in CollibraConnection.model_fields})

    def get_client(self, **_: Any) -> CollibraClient:  # noqa: ANN401 - Prefect's own signature
        """Return a client for this tenant; use it as a context manager."""
        return CollibraClient(self)
