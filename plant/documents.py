"""Reads the TOML documents that people edit, with errors that name file, key and reason."""

import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class DocumentError(ValueError):
    """A document does not say what its schema asks for; the message names file, key and reason."""


def read_document(path: Traversable, model: type[Model], error: type[DocumentError]) -> Model:
    """The document at ``path`` as ``model``; raises ``error`` naming file, key and reason."""
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as problem:
        raise error(f"{path}: not TOML: {problem}") from problem
    except ValidationError as problem:
        lines = [
            f"{path}: {'.'.join(str(part) for part in item['loc']) or 'document'}: {item['msg']}"
            for item in problem.errors()
        ]
        raise error("\n".join(lines)) from problem


def documents(folder: str) -> list[Traversable]:
    """The TOML files of a folder inside this package, in order of name."""
    found = [entry for entry in files("plant").joinpath(folder).iterdir() if entry.name.endswith(".toml")]
    return sorted(found, key=lambda entry: entry.name)
