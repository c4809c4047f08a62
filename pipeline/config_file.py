"""A configuration file: plain values, and the line of every key, so that an error can name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Key = tuple[str, ...]


class ConfigError(Exception):
    """A configuration that cannot be used: one line with file, key, value and what is allowed."""


def read_file(file: str | Path) -> tuple[dict[str, Any], dict[Key, int]]:
    """Return the values of a YAML file, and the line (from 1) of every key.

    Raises:
        ConfigError: it cannot be read, is not YAML, holds no keys, or holds one twice.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
        loaded, lines = yaml.safe_load(text), _lines(file, yaml.compose(text, yaml.SafeLoader))
    except FileNotFoundError as error:
        raise ConfigError(f"{file}: no such file; 'reelift config template > {file}' writes one") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{file}{at}: not YAML ({getattr(error, 'problem', None) or 'cannot be read'})") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: not YAML (too many brackets inside each other)") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{file}: a folder, not a file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from error
    if loaded is None:
        return {}, {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{file}: holds a {type(loaded).__name__} where keys and values are expected")
    return loaded, lines


def _lines(file: str | Path, node: Any, before: Key = ()) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        path, line = (*before, str(key.value)), key.start_mark.line + 1
        if path in found:
            raise ConfigError(f"{file}, line {line}: {'.'.join(path)} stands there twice, first in line {found[path]}")
        found[path] = line
        found |= _lines(file, value, path)
    return found
