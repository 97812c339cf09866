"""Functions and classes as Sphinx describes them: their signatures, and their docstrings as Markdown."""

import inspect
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from sphinx.pycode import ModuleAnalyzer
from sphinx.util.inspect import stringify_signature

from docs.generated.markdown import code, directive, escape, table


def describe(home: str, name: str, thing: Any, *more: str) -> str:
    """Return the description of ``thing``, which is imported from ``home`` as ``name``; of a class, with ``more``."""
    if inspect.isclass(thing):
        return _describe_class(home, name, thing, more)
    if callable(thing):
        return directive("py:function", f"{home}.{name}{_sign(thing)}", escape(inspect.getdoc(thing) or ""))
    return directive("py:data", f"{home}.{name}", f":value: {thing!r}\n")


def _describe_class(home: str, name: str, thing: Any, more: Iterable[str]) -> str:
    kind = "py:exception" if issubclass(thing, BaseException) else "py:class"
    signature = _sign(thing) if is_dataclass(thing) else ""
    parts = [escape(inspect.getdoc(thing) or ""), *more, _list_members(thing), *_list_methods(thing)]
    return directive(kind, f"{home}.{name}{signature}", "\n\n".join(part for part in parts if part))


def _sign(thing: Any) -> str:
    """Return a signature as somebody would type it."""
    signature = inspect.signature(thing)
    parameters = [_name_default(parameter) for parameter in signature.parameters.values() if parameter.name != "self"]
    signature = signature.replace(parameters=parameters)
    if inspect.isclass(thing):
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    return stringify_signature(signature, unqualified_typehints=True)


class _Name(str):
    """A name that is shown as it is, without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _name_default(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return the parameter with a function as a default by its name; others show an address or less."""
    default = parameter.default
    if default is parameter.empty or not callable(default):
        return parameter
    return parameter.replace(default=_Name(default.__name__))


def _list_members(thing: Any) -> str:
    comments = ModuleAnalyzer.for_module(thing.__module__).find_attr_docs()

    def comment(member: str) -> str:
        return escape(" ".join(comments.get((thing.__name__, member), [])).strip())

    if issubclass(thing, Enum):
        return table(["value", "meaning"], [[code(item.value), comment(item.name) or item.name] for item in thing])
    if is_dataclass(thing):
        said = [[code(field.name), comment(field.name)] for field in fields(thing) if comment(field.name)]
        return table(["field", "meaning"], said) if said else ""
    return ""


def _list_methods(thing: Any) -> list[str]:
    """Return the descriptions of what a class itself offers beside its fields."""
    found = []
    for name, member in vars(thing).items():
        if name.startswith("_"):
            continue
        said = inspect.getdoc(member) or ""
        if isinstance(member, property):
            found.append(_inner("py:property", name, said))
        elif inspect.isfunction(member):
            found.append(_inner("py:method", f"{name}{_sign(member)}", said))
    return found


def _inner(kind: str, argument: str, said: str) -> str:
    return f"````{{{kind}}} {argument}\n{escape(said)}\n````"
