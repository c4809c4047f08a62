"""Configurations as people read them: a template, what is in force and where it comes from, errors in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field of this type holds, None if it holds a value."""
    options = [annotation, *get_args(annotation)]
    return next((one for one in options if isinstance(one, type) and issubclass(one, BaseModel)), None)


def keys(model: type[BaseModel], before: str = "") -> list[str]:
    """Return all settings that have a value, dotted: ``seed``, ``sample.steps``, ``sample.guidance.form`` and so on."""
    found = []
    for name, info in model.model_fields.items():
        below = model_of(info.annotation)
        found += keys(below, f"{before}{name}.") if below else [f"{before}{name}"]
    return found


def described(config: BaseModel, depth: int = 0) -> list[str]:
    """Return a section as lines of YAML, each key with its description before it."""
    lines, pad = [], "  " * depth
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        lines.append(f"{pad}# {info.description}")
        if isinstance(value, BaseModel):
            lines += [f"{pad}{name}:", *described(value, depth + 1)]
        else:
            lines.append(f"{pad}{name}: {spelled(config, name)}")
    return lines


def resolved(
    config: BaseModel, origins: Mapping[str, str], usual: Sequence[BaseModel] = (), before: str = ""
) -> list[str]:
    """Return the settings in force as lines of YAML, each with where it comes from.

    Args:
        config: the section.
        origins: dotted key -> origin; a key without one has its default.
        usual: the same section of other configurations; what has the same value in all of them is left out.
        before: dotted name of the section, with a dot at its end; "" at the top.
    """
    lines, pad = [], "  " * before.count(".")
    for name in type(config).model_fields:
        value, key = getattr(config, name), f"{before}{name}"
        if isinstance(value, BaseModel):
            below = resolved(value, origins, [getattr(each, name) for each in usual], f"{key}.")
            lines += [f"{pad}{name}:", *below] if below else []
        elif not usual or any(getattr(each, name) != value for each in usual):
            lines.append(f"{pad}{name}: {spelled(config, name)}  # {origins.get(key, 'default')}")
    return lines


def spelled(config: BaseModel, name: str) -> str:
    """Return a value as YAML in one line."""
    plain = config.model_dump(mode="json", include={name})[name]
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000).strip().removesuffix("...").strip()


def explain(error: ValidationError, model: type[BaseModel]) -> tuple[tuple[str, ...], str]:
    """Return the key of the first thing that is wrong, and what is wrong with it."""
    every = error.errors(include_url=False)
    first, path = every[0], _path(every[0]["loc"], model)
    key = ".".join(path)
    if first["type"] in ("extra_forbidden", "invalid_key"):
        known = _known(path[:-1], model)
        return path, f"{key} is not a setting{_meant_key(path, known, model)}; allowed: {', '.join(known)}"
    if first["type"] == "missing":
        return path, f"{key} is missing"
    # A value that may be of several kinds is refused once for each of them.
    refused = dict.fromkeys(each["msg"] for each in every if _path(each["loc"], model) == path)
    allowed = " or ".join(plainly(text) for text in refused)
    given = first.get("input")
    if isinstance(given, Mapping) and given and first["type"] == "path_type":
        below = (*path, str(next(iter(given))))
        return below, f"{'.'.join(below)} is not a setting{_meant_key(below, [], model)}; {key} itself takes {allowed}"
    if isinstance(given, Mapping) and first["type"] == "value_error":
        return path, f"{key or 'the whole'}: {allowed}"
    return path, f"{key or 'the whole'} is {written(given)}; allowed: {allowed}"


def written(value: Any) -> str:
    """A value in an error: as Python has it, but what YAML spells otherwise."""
    return next(
        (name for name, each in (("null", None), ("true", True), ("false", False)) if value is each), repr(value)
    )


_PLAIN = {
    "Input is not a valid path for <class 'pathlib.Path'>": "a path",
    "a valid number, unable to parse string as a number": "a number",
    "a valid integer, unable to parse string as an integer": "a whole number",
    "a valid integer, got a number with a fractional part": "a whole number",
    "a valid boolean, unable to interpret input": "true or false",
    "a valid number": "a number",
    "a valid integer": "a whole number",
    "a valid tuple": "a list",
    "a valid dictionary": "keys and values",
}


def plainly(text: str) -> str:
    """What pydantic says is allowed, in the words of people who never saw it."""
    text = text.removeprefix("Input should be ").removeprefix("Value error, ")
    return _PLAIN.get(text.partition(" or instance of ")[0], text)


def meant(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean X?)", "" if nothing is like the word."""
    every = list(known)
    close = difflib.get_close_matches(word, every, n=1) or [each for each in every if word and each.startswith(word)]
    return f" (did you mean {close[0]}?)" if close else ""


def _meant_key(path: tuple[str, ...], known: list[str], model: type[BaseModel]) -> str:
    """Look beside the key first, then in all sections: for the same name elsewhere, then for a similar one."""
    beside = meant(path[-1], known)
    if beside:
        return beside
    every = {key.rpartition(".")[2]: key for key in reversed(keys(model))}
    close = difflib.get_close_matches(path[-1], every, n=1)
    return f" (did you mean {every[close[0]]}?)" if close else ""


def _path(place: Sequence[Any], model: type[BaseModel] | None) -> tuple[str, ...]:
    """The names of sections and key in where pydantic says that an error is, without the kinds of value it tried."""
    path: list[str] = []
    for part in place:
        path.append(str(part))
        if isinstance(part, int):  # a place in a list
            continue
        field = model.model_fields.get(str(part)) if model is not None else None
        model = model_of(field.annotation) if field is not None else None
        if model is None:
            break
    return tuple(path)


def _known(path: tuple[str, ...], model: type[BaseModel] | None) -> list[str]:
    for part in path:
        if part.isdecimal():
            continue
        if model is None or part not in model.model_fields:
            return []
        model = model_of(model.model_fields[part].annotation)
    return list(model.model_fields) if model else []
