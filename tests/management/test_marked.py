"""No subcommand's help says anything that could not be said in another language."""

import argparse

import pytest
from django.core.management.base import BaseCommand
from django.utils import translation

from django_cors_guard.management.commands.cors_guard import Command
from django_cors_guard.management.subcommands import SUBCOMMANDS


@pytest.fixture
def brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is marked for translation is shown in brackets."""
    real = translation._trans  # type: ignore[attr-defined]  # where Django's functions look
    monkeypatch.setattr(real, "gettext", lambda message: f"⟦{message}⟧" if message else "")
    monkeypatch.setattr(real, "ngettext", lambda one, many, number: f"⟦{one if number == 1 else many}⟧")


def parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (found,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found.choices)


def test_help_of_each_option_is_marked_for_translation(brackets: None) -> None:
    djangos = {action.dest for action in BaseCommand().create_parser("manage.py", "any")._actions}
    found = parsers(Command().create_parser("manage.py", "cors_guard"))
    assert set(found) == set(SUBCOMMANDS)
    texts: list[tuple[str, str, str | None]] = [
        (name, action.dest, action.help)
        for name, parser in found.items()
        for action in parser._actions
        if action.dest not in djangos and action.help not in {None, argparse.SUPPRESS}
    ]
    texts += [(name, "", parser.description) for name, parser in found.items()]
    assert len(texts) > len(SUBCOMMANDS)
    # Without its verbs of formatting (%(default)s) a help text may be nothing but a literal.
    assert [text for text in texts if "⟦" not in str(text[2])] == []
