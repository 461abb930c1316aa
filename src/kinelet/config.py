"""Configuration: YAML in, dotted overrides on top, validated into frozen pydantic models, resolved copy out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from kinelet.errors import BadOptionError

MAX_YAML_BYTES = 1 << 20


class FrozenModel(BaseModel):
    """Base of all configurations: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=BaseModel)


def listed(value: Any) -> Any:
    """What people write for a list: a text names one thing, or several with commas between them; a number is one.

    >>> listed("text, video"), listed(5), listed(["a, b"])
    (['text', 'video'], [5], ['a, b'])
    """
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return [value] if isinstance(value, int | float) else value


Listed = BeforeValidator(listed)
"""Lets a field that holds a tuple be written without brackets."""
Names = Annotated[tuple[str, ...], Listed]


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping with plain types only.

    Raises:
        BadOptionError: if the file is absent, too large, not YAML or not a mapping.
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise BadOptionError("no such file", where=str(path), remedy="Check the path of the recipe or card")
    if path.stat().st_size > MAX_YAML_BYTES:
        raise BadOptionError(f"larger than {MAX_YAML_BYTES} bytes", where=str(path), remedy="A recipe is a short file")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadOptionError(f"not YAML: {' '.join(str(error).split())}", where=str(path)) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise BadOptionError(f"holds a {type(data).__name__}, not keys and values", where=str(path))
    return data


def apply_overrides(
    config: Mapping[str, Any], overrides: Iterable[str], *, short: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return ``config`` with ``key.sub=value`` overrides applied; values are read as YAML scalars or lists.

    >>> apply_overrides({"train": {"lr": 0.1}}, ["train.lr=0.2", "train.steps=10"])
    {'train': {'lr': 0.2, 'steps': 10}}

    Args:
        config: What is in force without them.
        overrides: ``key=value``, later ones over earlier ones.
        short: Keys whose plain value stands for one of their own keys, such as ``{"distance": "use"}``; only for what
            is said about mistakes.

    Raises:
        BadOptionError: if an override is not of the form ``key=value``, or is of a key below one that holds a value.
    """
    import yaml

    out: dict[str, Any] = _copy(config)
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise BadOptionError(f"{item!r} is not of the form key=value", remedy="For example train.steps=1000")
        try:
            value = _number(yaml.safe_load(text))
        except yaml.YAMLError:
            raise BadOptionError(f"the value of {item!r} cannot be read", remedy="Quote it for the shell") from None
        _set(out, key.split("."), value, item, short or {})
    return out


def validate(model: type[Model], data: Mapping[str, Any], *, where: str = "configuration") -> Model:
    """Build a model; all mistakes are named in one line.

    Raises:
        BadOptionError: naming each key that does not fit.
    """
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        first, *more = error.errors()[:5]
        faults = "; ".join(_fault(e) for e in (first, *more))
        raise BadOptionError(faults, where=where, remedy=_choices(model, first["loc"][:-1])) from None


def _fault(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"]) or "configuration"
    told = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {'no such key' if error['type'] == 'extra_forbidden' else told}"


def _choices(model: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """The keys of the part of a configuration that a mistake is in."""
    reached: list[str] = []
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            break
        model = field.annotation
        reached.append(str(part))
    place = f"of {'.'.join(reached)}" if reached else "here"
    return f"Keys {place}: {', '.join(model.model_fields)}"


def dump_yaml(model: BaseModel | Mapping[str, Any], path: str | Path) -> None:
    """Write a configuration as YAML, atomically."""
    import yaml

    from kinelet.files import write_text

    data = model.model_dump(mode="json") if isinstance(model, BaseModel) else dict(model)
    write_text(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def _copy(value: Any) -> Any:
    return {k: _copy(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``1e-3`` as text; people mean the number."""
    if isinstance(value, str):
        try:
            return float(value) if any(c.isdigit() for c in value) else value
        except ValueError:
            return value
    return value


def _set(config: dict[str, Any], path: list[str], value: Any, item: str, short: Mapping[str, str]) -> None:
    for depth, part in enumerate(path[:-1], 1):
        inner = config.setdefault(part, {})
        if not isinstance(inner, dict):
            name = ".".join(path[:depth])
            whole = f"{name}.{short[name]}={inner}" if name in short else f"{name}.KEY=VALUE for all that it is to hold"
            raise BadOptionError(
                f"{name!r} holds a value, {inner!r}, not keys",
                where=item,
                remedy=f"Write {whole} instead of {name}={inner}",
            )
        config = inner
    config[path[-1]] = value
