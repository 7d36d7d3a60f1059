"""Credentials as a Prefect block."""

from __future__ import annotations

from typing import Any, Final, Self

from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.settings import CollibraConnection, CollibraSettings

ACRONYMS: Final = frozenset({"ca", "id", "url"})


def _make_title(name: str) -> str:
    """Return the label of a field in the block form, such as ``Client ID``."""
    words = [word.upper() if word in ACRONYMS else word for word in name.split("_")]
    title = " ".join(words)
    return f"{title[0].upper()}{title[1:]}"


class CollibraCredentials(CredentialsBlock, CollibraConnection):
    """URL and credentials of a Collibra environment.

    Choose one way to authenticate and fill in its fields; leave the other fields empty.

    Example:
        ```python
        from collibra_tasks import CollibraCredentials

        CollibraCredentials.from_settings().save("production")
        credentials = CollibraCredentials.load("production")
        ```
    """

    model_config = ConfigDict(
        hide_input_in_errors=True, field_title_generator=lambda name, _: _make_title(name)
    )

    _block_type_name = "Collibra Credentials"
    _block_type_slug = "collibra-credentials"
    _description = (
        "URL and credentials of a Collibra environment. Choose one way to authenticate and fill in "
        "its fields; leave those of the other ways empty."
    )

    @classmethod
    def from_settings(cls, settings: CollibraConnection | None = None) -> Self:
        """Create a block from ``COLLIBRA_*`` variables or ``.env``, or from ``settings``.

        Args:
            settings: URL and credentials; ``None`` for the environment variables.

        Raises:
            pydantic.ValidationError: If the variables do not form exactly one way to
                authenticate. The text names them and shows no value.
        """
        connection = settings or CollibraSettings()
        return cls(**{name: getattr(connection, name) for name in CollibraConnection.model_fields})

    def get_client(self, **_: Any) -> CollibraClient:  # noqa: ANN401 - Prefect's signature
        """Return a client of this environment; use it as a context manager."""
        return CollibraClient(self)
