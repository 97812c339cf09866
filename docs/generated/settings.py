"""The keys of ``CORS_GUARD``: what ``conf`` says of each, its default, and what it takes."""

from dataclasses import fields
from typing import Any

from sphinx.pycode import ModuleAnalyzer

from django_cors_guard import conf
from docs.generated.markdown import anchor, code, escape


def describe() -> str:
    """Return a section for each key."""
    comments = ModuleAnalyzer.for_module(conf.__name__).find_attr_docs()
    defaults = {field.name: field.default for field in fields(conf.GuardSettings)}
    return "\n\n".join(_describe_key(key, comments, defaults[key.lower()]) for key in conf.KEYS)


def _describe_key(key: str, comments: dict[tuple[str, str], list[str]], default: Any) -> str:
    said = " ".join(comments[conf.GuardSettings.__name__, key.lower()]).strip()
    _accepts, expected = conf.RULES[key]
    return "\n\n".join(
        [
            f"{anchor(f'setting-{key}')}\n## {key}",
            escape(said),
            f"- Default: {code(_write(default))}\n- Takes: {escape(expected)}",
        ]
    )


def _write(default: Any) -> str:
    return f'"{default}"' if isinstance(default, str) else repr(default)
