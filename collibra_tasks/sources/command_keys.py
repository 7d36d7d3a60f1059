"""Keys that Collibra's published description lists for import commands."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

EXTERNAL_KEYS: Final = ("externalSystemId", "externalEntityId")
IDENTIFIER_KEYS: Final = frozenset({"id", "name", "indexes", *EXTERNAL_KEYS})
"""Keys of every identifier; ``indexes`` stands in Collibra's OpenAPI description only."""

TYPE_KEYS: Final = ("id", "name", "publicId")
USER_KEYS: Final = ("id", "userName", "emailAddress", "name")
"""Keys of a user or group. Source: ``id`` is documented, the others are observed in exports."""

DIRECTIONS: Final = ("SOURCE", "TARGET")
SYNC_ACTIONS: Final = ("ADD", "UPDATE", "REMOVE")

SPREADSHEET_ERRORS: Final = frozenset(
    {
        *("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"),
        *("#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!", "#CONNECT!", "#UNKNOWN!", "#BUSY!"),
        *("#GETTING_DATA", "#PYTHON!", "#EXTERNAL!"),
        *("#NV", "#BEZUG!", "#WERT!", "#ZAHL!", "#ÜBERLAUF!", "#KALK!", "#FELD!"),
        *("#VALEUR!", "#NOM?", "#NOMBRE!", "#NUL!", "#PROPAGATION!", "#CHAMP!"),
        *("#N/D", "#VALORE!", "#RIF!", "#NOME?", "#NULLO!", "#ESPANSIONE!"),
        *("#¡VALOR!", "#¡REF!", "#¿NOMBRE?", "#¡NUM!", "#¡DIV/0!", "#¡NULO!", "#VALOR!", "#NÚM!"),
        *("#NULO!", "#NOMBRE?", "#¡DESBORDAMIENTO!", "#¡CALC!", "#ERROR!"),
        *("#N/B", "#WAARDE!", "#VERW!", "#NAAM?", "#GETAL!", "#DEEL/0!", "#LEEG!", "#OVERLOOP!"),
        *("#N/D!", "#ARG!", "#ADR!", "#NAZWA?", "#DZIEL/0!", "#ZERO!", "#LICZBA!"),
        *("#ODKAZ!", "#HODNOTA!", "#NÁZEV?", "#DĚLENÍ_NULOU!", "#ČÍSLO!", "#NENÍ_K_DISPOZICI"),
        *("#SAKNAS!", "#REFERENS!", "#VÄRDEFEL!", "#NAMN?", "#DIVISION/0!", "#SKÄRNING!"),
        *("#OGILTIGT!", "#I/T", "#REFERENCE!", "#VÆRDI!", "#VERDI!", "#NAVN?"),
        *("#PUUTTUU!", "#VIITTAUS!", "#ARVO!", "#NIMI?", "#JAKO/0!", "#TYHJÄ!", "#LUKU!"),
        *("#HIÁNYZIK", "#HIV!", "#ÉRTÉK!", "#NÉV?", "#ZÉRÓOSZTÓ!", "#NULLA!", "#SZÁM!"),
        *("#YOK", "#BAŞV!", "#DEĞER!", "#AD?", "#SAYI/0!", "#BOŞ!", "#SAYI!"),
        *("#Н/Д", "#ССЫЛКА!", "#ЗНАЧ!", "#ИМЯ?", "#ДЕЛ/0!", "#ПУСТО!", "#ЧИСЛО!"),  # noqa: RUF001 - Russian
        *(f"Err:{number}" for number in range(501, 541)),
    }
)
"""Error values of a cell, as Excel and LibreOffice write them, also to CSV in other languages."""

_MIN_RESEMBLANCE: Final = 0.8
"""Ratio above which an unknown key counts as misspelt; ``relation`` and ``relations`` have 0.94."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LIKE_UUID: Final = re.compile(r"[0-9a-fA-F-]{20,}")
_PUBLIC_ID: Final = re.compile(r"\w[\w.-]*")


def is_uuid(text: object) -> bool:
    """Return whether a value is a UUID with its four hyphens."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def find_resembling_key(key: str, known: Collection[str]) -> str | None:
    """Return the known key that a misspelt one probably means, or None.

    Args:
        key: A key that is not known.
        known: A frozen set of the keys that may stand there.
    """
    by_folded = {each.casefold(): each for each in sorted(known)}
    folded = key.strip().casefold().replace("_", "").replace("-", "")
    matches = get_close_matches(folded, by_folded, n=1, cutoff=_MIN_RESEMBLANCE)
    return by_folded[matches[0]] if matches else None


@lru_cache(maxsize=4096)
def normalize_key(key: str) -> str:
    """Return a key of attributes, relations or roles; of a UUID, the case does not matter."""
    name, colon, direction = key.partition(":")
    return f"{name.lower()}{colon}{direction}" if is_uuid(name) else key


def find_double_key(keys: Collection[str]) -> str | None:
    """Return a key that stands twice, as a UUID in different case."""
    if len(keys) < 2:  # noqa: PLR2004 - a pair
        return None
    seen: set[str] = set()
    for key in keys:
        if (name := normalize_key(key)) in seen:
            return key
        seen.add(name)
    return None


@lru_cache(maxsize=4096)
def explain_relation_key(key: str, *, direction_required: bool) -> str:
    """Return the reason why a text is no relation key, or an empty text.

    Args:
        key: ``<relation type>:SOURCE`` or ``<relation type>:TARGET``; the relation type is a UUID
            or a public ID.
        direction_required: Whether the direction may not be missing. The relations of a complex
            relation are also published without one.
    """
    relation_type, colon, direction = key.rpartition(":")
    if not colon:
        if direction_required:
            return f"relation key {key!r} has no direction. Add :SOURCE or :TARGET to it."
        relation_type = key
    elif direction not in DIRECTIONS:
        return f"relation key {key!r} ends with {direction!r} instead of SOURCE or TARGET."
    malformed = _LIKE_UUID.fullmatch(relation_type) and not is_uuid(relation_type)
    if malformed or not _PUBLIC_ID.fullmatch(relation_type):
        return f"relation key {key!r} does not begin with the UUID or public ID of a relation type."
    return ""
