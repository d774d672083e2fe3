"""Hashes of what code computes, not of how it is written or what it says.

Results are kept under such hashes: a comment, a docstring or a message may change, and they are
found again; a number in a module or in an operation may not.
"""

import ast
import hashlib
import json
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

LIBRARY = Path(__file__).parent
# No number of a result comes from these: what they settle is part of a result's inputs (settings,
# data, the operations of a network), or they keep and say what others computed.
WITHOUT_NUMBERS = (
    "errors", "messages", "files", "fingerprint", "data.dataset", "data.doubles",
    "data.manifest", "runs", "space.operations",
)  # fmt: skip
SAYING = ("InputError", "log.debug", "log.info", "log.warning", "log.error", "print")
PLAIN = (type(None), bool, int, float, complex, str, bytes)
# Of a class, what tells where and when it was written; of an object, where others may hang.
UNTOLD = (
    "__doc__", "__module__", "__qualname__", "__dict__", "__weakref__", "__firstlineno__",
    "__static_attributes__", "__annotations__", "__annotate_func__",
)  # fmt: skip
HELD = ("__func__", "fget", "func", "args", "keywords", "__dict__")


def digest(content, digits: int = 12) -> str:
    """Hex digits over a JSON-able content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:digits]


@cache
def of_modules(*roots: str) -> str:
    """12 hex digits over the code of modules ("training.loop") and of all modules of this library
    that they use and that can change a number."""
    return digest(
        {
            name: _syntax(ast.parse(_path(name).read_text(encoding="utf-8")))
            for name in reached(*roots)
        }
    )


@cache
def reached(*roots: str) -> tuple[str, ...]:
    """The modules, and those that they import, directly or not, and that can change a number."""
    found, left = set(), list(roots)
    while left:
        name = left.pop()
        if name in found or f"{name}.".startswith(tuple(f"{w}." for w in WITHOUT_NUMBERS)):
            continue
        found.add(name)
        for node in ast.walk(ast.parse(_path(name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith(f"{LIBRARY.name}."):
                base = node.module.removeprefix(f"{LIBRARY.name}.")
                parts = [f"{base}.{a.name}" for a in node.names]
                left += [part if _path(part).is_file() else base for part in parts]
            elif isinstance(node, ast.ImportFrom) and node.module == LIBRARY.name:
                left += [a.name for a in node.names if _path(a.name).is_file()]
    return tuple(sorted(found))


def _path(module):
    path = LIBRARY.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _syntax(node):
    """A syntax tree as lists, without docstrings, types of arguments and the words of
    messages; the same in every version of Python, which ast.dump is not."""
    if isinstance(node, list):
        return [_syntax(n) for n in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    words = ("returns", "annotation") if isinstance(node, ast.FunctionDef | ast.arg) else ()
    fields = {k: v for k, v in ast.iter_fields(node) if v not in (None, []) and k not in words}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
        fields["body"] = node.body[1:]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in SAYING:
        fields = {"func": node.func}
    return [type(node).__name__, {k: _syntax(v) for k, v in fields.items()}]


def of_value(value) -> str:
    """12 hex digits over a function, class or object: its bytecode, constants, defaults, closure,
    and all that these use, unless it is Python's own or an installed package's."""
    return digest(_told(value))


def _told(value, above=()):
    """A value as lists of texts; `above`: what it is a part of, lest a circle never end."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, type | FunctionType | BuiltinFunctionType) and _installed(value):
        return f"{value.__module__}.{value.__qualname__}"
    if any(value is other for other in above):
        return "above"
    return [_told(part, (*above, value)) for part in _parts(value)]


def _parts(value):
    """What a value consists of."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, value.co_consts
    if isinstance(value, FunctionType):
        code, known = value.__code__, value.__globals__
        consts = [c for c in code.co_consts if c is not value.__doc__]
        used = {name: known[name] for name in sorted(_names(code) & known.keys())}
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        made = (code.co_code, code.co_names, consts)
        return *made, value.__defaults__, value.__kwdefaults__, cells, used
    if isinstance(value, type):
        return value.__bases__, {k: v for k, v in vars(value).items() if k not in UNTOLD}
    if hasattr(value, "tolist"):
        return type(value), value.tolist()
    return type(value), {name: getattr(value, name) for name in HELD if hasattr(value, name)}


def _names(code):
    """The global names that a code and those inside it take."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _installed(value):
    root = (value.__module__ or "builtins").partition(".")[0]
    return root not in ("__main__", LIBRARY.name) and (
        root in sys.stdlib_module_names or root in _packages()
    )


@cache
def _packages():
    return frozenset(packages_distributions())
