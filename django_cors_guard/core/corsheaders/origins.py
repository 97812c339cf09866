"""Who is trusted: CORS_ALLOWED_ORIGINS and CORS_ALLOWED_ORIGIN_REGEXES become grants and an environment's switches."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from django_cors_guard.core.corsheaders import values
from django_cors_guard.core.corsheaders.lines import Account, Line, Verdict, spell
from django_cors_guard.core.corsheaders.regex_origins import Candidate, read_origins
from django_cors_guard.core.corsheaders.regexes import read_regex
from django_cors_guard.core.corsheaders.values import Values
from django_cors_guard.core.origins import Origin, OriginRules, ProblemCode, check_rules, parse_origin

#: Nobody means to switch these on in passing: only somebody who asks for them does.
_ASKED_FOR = {"allow_insecure_http", "allow_insecure_credentials"}


@dataclass(slots=True)
class Admission:
    """Lets origins in as the safety rules have it, and collects the switches that they take.

    ``switches`` holds those that somebody has asked for, whether they are taken or not.
    """

    account: Account
    credentials: bool
    asked: frozenset[str] = frozenset()
    origins: dict[str, Origin] = field(default_factory=dict)
    switches: dict[str, str] = field(default_factory=dict)

    def admit(self, setting: str, value: object, candidate: Candidate) -> None:
        """Enter the origin of ``candidate``, and say so; or say which switch keeps it out."""
        origin = candidate.origin
        if origin is None:
            verdict = Verdict.NOTED if candidate.code == "regex_never" else Verdict.REFUSED
            self.account.add(Line(setting, spell(value), verdict, candidate.code, candidate.spelt))
            return
        needed = check_rules(origin, OriginRules(credentials=self.credentials))
        for problem in needed:
            if problem.detail in _ASKED_FOR - self.asked:
                self.account.refuse(setting, value, problem.code, origin.text)
                return
        if origin.text not in self.origins:
            self.origins[origin.text] = origin
            for problem in needed:
                self.switches.setdefault(problem.detail, origin.text)
        self.account.take(setting, value, candidate.code, origin.text, candidate.notes)


def read_grants(given: Values, admission: Admission) -> None:
    """Enter every origin that both settings trust."""
    name, items = given.read_list(values.ORIGINS)
    for item in items:
        _read_origin(admission, name, item)
    name, items = given.read_list(values.REGEXES)
    for item in items:
        _read_regex(admission, name, item)


def note_needless(given: Values) -> None:
    """Note what any origin makes needless."""
    for setting in (values.ORIGINS, values.REGEXES):
        name, items = given.read_list(setting)
        for item in items:
            given.account.note(name, _source_of(item), "needless")


def _read_origin(admission: Admission, name: str, item: object) -> None:
    if not isinstance(item, str):
        admission.account.refuse(name, item, "wrong_type")
        return
    parsed = parse_origin(item)
    if parsed.origin is None:
        problem = parsed.problems[0]
        hint = problem.detail if problem.code != ProblemCode.NULL_ORIGIN else ""
        admission.account.refuse(name, item, problem.code, hint)
        return
    if parsed.origin.is_pattern:
        # There an asterisk is a character like any other: it never matched anything.
        admission.account.refuse(name, item, "pattern_in_list", parsed.origin.text)
        return
    notes = ("spelling",) if parsed.mended else ()
    admission.admit(name, item, Candidate(parsed.origin, "exact", parsed.origin.text, notes))


def _read_regex(admission: Admission, name: str, item: object) -> None:
    reading = read_regex(item)
    source = _source_of(item)
    if reading.trouble:
        admission.account.refuse(name, source, reading.trouble)
        return
    candidates = read_origins(reading)
    if not candidates:
        admission.account.note(name, source, "regex_never")
    for candidate in candidates:
        admission.admit(name, source, candidate)


def _source_of(item: object) -> object:
    return item.pattern if isinstance(item, re.Pattern) else item
