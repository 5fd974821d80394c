"""Whether the settings are what whoever wrote them believes."""

import os
import tomllib
from collections.abc import Mapping

from brain.doctor.answer import Answer
from brain.settings import settings_file

_LISTS = ("opcua", "mqtt", "sparkplug", "machines")


def replaced_lists(environment: Mapping[str, str] = os.environ) -> list[Answer]:
    """Lists of tables in the settings file that a variable replaces whole, for nobody to see."""
    path = settings_file()
    if path is None:
        return []
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Answer(
            "settings",
            "warning",
            f"{variable} is set: it stands for all {len(content[key])} [[{key}]] of {path}, which are not used",
            f"put all of them into one place: unset {variable}, or take them out of the file",
        )
        for key in _LISTS
        if content.get(key) and (variable := f"BRAIN_{key.upper()}") in environment
    ]
