"""Which data sets there are: the manifests in data_manifest/, checked against their JSON schema."""

import tomllib
from functools import cache

import fastjsonschema

from twodints_lib.errors import InputError
from twodints_lib.files import read_json, shipped

MANIFESTS = shipped("data_manifest")


def manifests() -> list[str]:
    """The names of the manifests in data_manifest/."""
    return sorted(p.stem for p in MANIFESTS.glob("*.toml"))


def load_manifest(name: str) -> dict:
    """The manifest of that name, checked against schema.json; InputError names file and key."""
    path = MANIFESTS / f"{name}.toml"
    if name not in manifests():
        raise InputError(f"'{name}' is no data set; take one of {', '.join(manifests())}.")
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        _check(MANIFESTS)(told)
    except fastjsonschema.JsonSchemaValueException as error:
        raise InputError(f"{path}: {_sentence(error)}") from error
    except ValueError as error:  # of TOML or of UTF-8
        raise InputError(f"{path}: is not TOML ({error}); mend that place.") from error
    if told["name"] != name:
        raise InputError(f"{path}: key 'name' is {told['name']!r}; it must be {name!r}.")
    return told


@cache
def _check(folder):
    return fastjsonschema.compile(read_json(folder / "schema.json"))


def _sentence(error):
    """What a key lacks and the mend, from the error of the schema's library."""
    parts = [f"[{p}]" if p.isdigit() else f".{p}" for p in error.path[1:]]
    if error.rule == "required":
        key = next(k for k in error.rule_definition if k not in error.value)
        return f"key '{''.join([*parts, f'.{key}'])[1:]}' is missing; add it."
    if error.rule == "additionalProperties":
        key = next(k for k in error.value if k not in error.definition["properties"])
        key = "".join([*parts, f".{key}"])[1:]
        return f"key '{key}' is unknown; mend its name or remove it."
    wanted = error.message.partition(" ")[2]
    return f"key '{''.join(parts)[1:]}' is {error.value!r}; it {wanted}."
