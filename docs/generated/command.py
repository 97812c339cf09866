"""``manage.py cors_guard``: every subcommand, with what it takes."""

import inspect
from argparse import SUPPRESS, Action, ArgumentParser, _SubParsersAction
from typing import Any, Final

from django.core.management.base import BaseCommand

from django_cors_guard.management.commands import cors_guard
from docs.generated.markdown import anchor, code, escape, table

PROGRAM: Final = "manage.py cors_guard"
#: Longer lines do not fit beside the list of pages.
_MAX_LINE: Final = 76


def find_subparsers() -> dict[str, ArgumentParser]:
    """Return the parsers of the subcommands by their names."""
    parser = cors_guard.Command().create_parser("manage.py", "cors_guard")
    (found,) = (action for action in _actions(parser) if isinstance(action, _SubParsersAction))
    return dict(found.choices)


def find_own(parser: ArgumentParser) -> list[Action]:
    """Return what a subcommand takes, without what every command of Django takes."""
    base = {action.dest for action in _actions(BaseCommand().create_parser("manage.py", "any"))}
    return [action for action in _actions(parser) if action.dest not in base and action.help != SUPPRESS]


def describe() -> str:
    """Return what the command says of itself, and a section for each subcommand."""
    exits = (inspect.getdoc(cors_guard) or "").split("\n\n")[1:]
    sections = [_describe(name, parser) for name, parser in find_subparsers().items()]
    return "\n\n".join([*(escape(" ".join(said.split())) for said in exits), *sections])


def _describe(name: str, parser: ArgumentParser) -> str:
    own = find_own(parser)
    typed = _fill([f"{PROGRAM} {name}", *map(_place, own)])
    rows = [[_name(action), escape(action.help or "")] for action in own]
    return "\n\n".join(
        [
            f"{anchor(f'cors_guard-{name}')}\n## {name}",
            escape(parser.description or ""),
            f"```text\n{typed}\n```",
            *([table(["argument", "meaning"], rows)] if rows else []),
        ]
    )


def _fill(words: list[str]) -> str:
    """Return a line of code, or as many as it takes; what belongs together stays on one."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) > _MAX_LINE:
            lines.append("   ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _place(action: Action) -> str:
    """Return how an argument is typed: what may be left out in brackets."""
    if action.option_strings:
        text = " ".join([action.option_strings[0], *([_value(action)] if action.nargs != 0 else [])])
        return text if action.required else f"[{text}]"
    text = _value(action)
    return {"?": f"[{text}]", "*": f"[{text} …]", "+": f"{text} [{text} …]"}.get(str(action.nargs), text)


def _name(action: Action) -> str:
    if not action.option_strings:
        return code(_value(action))
    return code(f"{action.option_strings[0]} {_value(action)}" if action.nargs != 0 else action.option_strings[0])


def _value(action: Action) -> str:
    if action.metavar:
        return str(action.metavar)
    if action.choices:
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def _actions(parser: Any) -> list[Action]:
    # argparse has no other list.
    return list(parser._actions)  # noqa: SLF001 - as above
