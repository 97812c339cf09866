"""The tables: every model with its fields, rules and permissions."""

import inspect
from collections.abc import Iterable
from typing import Any, Final

from django.apps import apps
from django.db import models
from sphinx.pycode import ModuleAnalyzer

from docs.generated.markdown import anchor, code, codes, escape, table

#: More values of a default are not written out.
_MAX_DEFAULT: Final = 60


def find_models() -> list[type[models.Model]]:
    """Return the app's models, by name."""
    return sorted(apps.get_app_config("cors_guard").get_models(), key=lambda model: model.__name__)


def describe() -> str:
    """Return a section for each model."""
    return "\n\n".join(map(_describe_model, find_models()))


def _describe_model(model: type[models.Model]) -> str:
    fields = [field for field in model._meta.get_fields() if isinstance(field, models.Field)]
    rows = [[code(field.name), _describe_type(field), _describe_meaning(field)] for field in fields]
    parts = [
        f"{anchor(f'model-{model.__name__}')}\n## {model.__name__}",
        escape(inspect.getdoc(model) or ""),
        table(["field", "type", "meaning"], rows),
        *_list("Rules that the database keeps", map(_describe_constraint, model._meta.constraints)),
        *_list("Permissions", [codes(_find_permissions(model))]),
    ]
    return "\n\n".join(parts)


def _describe_type(field: Any) -> str:
    name = field.get_internal_type()
    if field.remote_field is not None:
        said = f"{name} to {_link(field.remote_field.model)}"
    else:
        said = f"{name}({field.max_length})" if field.max_length else name
    notes = [
        word for word, holds in (("unique", field.unique and not field.primary_key), ("null", field.null)) if holds
    ]
    return ", ".join([said, *notes])


def _link(model: Any) -> str:
    # The user's model is the project's own: at this point a name or a class, as it may be.
    if model in find_models():
        return f"[{model.__name__}](#model-{model.__name__})"
    return "the user's model"


def _describe_meaning(field: Any) -> str:
    parts = [str(field.verbose_name), str(field.help_text) or _find_comment(field)]
    said = escape(". ".join(part[:1].upper() + part[1:].removesuffix(".") for part in parts if part) + ".")
    if field.choices:
        said += f" One of {codes(value for value, _label in field.flatchoices if value != '')}"
        said += ", or blank." if field.blank else "."
    if field.has_default() and (default := _write_default(field)):
        said += f" Default: {code(default)}."
    return said


def _write_default(field: Any) -> str:
    default = field.get_default() if not callable(field.default) or field.default in (dict, list) else _ask(field)
    text = repr(default.value if isinstance(default, models.Choices) else default)
    return text if text not in {"''", "None"} and len(text) <= _MAX_DEFAULT else ""


def _ask(field: Any) -> Any:
    """Return what a function gives as a default, where that is the same each time."""
    first, second = field.get_default(), field.get_default()
    return first if first == second and isinstance(first, list | dict) else None


def _find_comment(field: Any) -> str:
    """Return the comment above a field."""
    for model in type.mro(field.model):
        if model.__module__.startswith("django_cors_guard."):
            comments = ModuleAnalyzer.for_module(model.__module__).find_attr_docs()
            if found := comments.get((model.__name__, field.name)):
                return " ".join(found).strip()
    return ""


def _describe_constraint(constraint: Any) -> str:
    return f"{code(constraint.name)}: {_word_constraint(constraint)}"


def _word_constraint(constraint: Any) -> str:
    """Return what an operator is told who breaks it; where that is nothing of its own, the condition."""
    if constraint.violation_error_message != constraint.default_violation_error_message:
        return escape(constraint.violation_error_message)
    if isinstance(constraint, models.UniqueConstraint) and constraint.fields:
        return f"one row for each {codes(constraint.fields)}"
    return code(constraint.condition)


def _find_permissions(model: type[models.Model]) -> list[str]:
    own = [f"{action}_{model._meta.model_name}" for action in model._meta.default_permissions]
    return own + [codename for codename, _name in model._meta.permissions]


def _list(title: str, items: Iterable[str]) -> list[str]:
    lines = [f"- {item}" for item in items if item]
    return [f"{title}:", "\n".join(lines)] if lines else []
