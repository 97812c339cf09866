"""The words for what became of a project's settings for django-cors-headers, and for what they cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from django_cors_guard.core.corsheaders import Line, Verdict
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.core.problems import Problem
from django_cors_guard.wording import word_problem

#: %(detail)s is what the value became.
TAKEN: Final[Mapping[str, Any]] = {
    "exact": _("trusted: %(detail)s"),
    "subdomains": _("trusted: the pattern %(detail)s"),
    "loopback_ports": _("trusted: the pattern %(detail)s"),
    "credentials": _("the API group allows credentials"),
    "any_origin": _("the API group is open to any origin"),
    "names": _("the API group lists: %(detail)s"),
    "max_age": _("the API group's preflight lifetime: %(detail)s s"),
    "route": _("route: %(detail)s"),
    "csrf": _("the API group is trusted for CSRF, which covers it on the group's paths"),
}

#: Why a value was not taken, and what to do instead.
REFUSED: Final[Mapping[str, Any]] = {
    "not_a_flag": _("This is neither True nor False. It counts as off; correct it, and run this again."),
    "not_a_sequence": _("This is no list. Nothing of it was taken; correct it, and run this again."),
    "wrong_type": _("This is no text. Correct it, and run this again."),
    "not_a_token": _("This is no name of a method or header."),
    "pattern_in_list": _(
        "There it is a plain text that matches no origin. If you mean the pattern, trust it: cors_guard trust "
        "“%(detail)s”."
    ),
    "bad_max_age": _("This is no number of seconds from 0 on. The API group has %(detail)s s instead."),
    "any_origin_with_credentials": _(
        "DANGER: it lets every web page in the world read what your users may read, for their cookies are sent. The "
        "guard never does that. List the origins that need it, or switch CORS_ALLOW_CREDENTIALS off."
    ),
    "private_network": _(
        "The guard does not answer Access-Control-Request-Private-Network. Pages on the internet that call this server "
        "in a private network will need another way."
    ),
    "receiver": _(
        "It is code, which nobody but you can read. Trust the origins that it lets in, or give their paths an API "
        "group of their own."
    ),
    "urls_regex": _(
        "It is no plain beginning of paths, so nothing is guarded. Name the paths: --path /api (repeatable)."
    ),
    "regex_too_long": _("It is too long to be read. List exact origins instead."),
    "regex_invalid": _("Python cannot read it."),
    "regex_look_around": _("It looks ahead or back. List exact origins instead."),
    "regex_back_reference": _("It refers back to a part of itself. List exact origins instead."),
    "regex_too_many": _("It stands for too many origins to list. List those that exist."),
    "regex_anchor_inside": _("There is an anchor in the middle of it, so one of its alternatives never matches."),
    "regex_repeat": _("It repeats what is more than a name with its dot. List exact origins instead."),
    "regex_syntax": _("It uses syntax that says more than which characters come next. List exact origins instead."),
    "regex_any_origin": _(
        "It leaves the host open, so it lets in any page there is. For public data use CORS_ALLOW_ALL_ORIGINS without "
        "credentials; else list exact origins."
    ),
    "regex_no_scheme": _("It leaves the scheme open, so it trusts pages that are not encrypted. Begin with https://."),
    "regex_prefix": _(
        "Nothing anchors its end, so “%(detail)s” is only the beginning of what it matches. List the origins meant."
    ),
    "regex_partial_label": _(
        "“%(detail)s” leaves a part of a name open; patterns stand for whole names. For previews of a fixed shape "
        "let CI trust each one (an origin issuer); else list exact origins."
    ),
    "regex_class": _(
        "“%(detail)s” lets some characters in and not others; the pattern would trust many more. List exact origins."
    ),
    "regex_counted": _(
        "“%(detail)s” counts characters; the pattern would trust many more. List exact origins instead."
    ),
    "regex_shape": _("“%(detail)s” is no origin, no subdomain pattern and no choice of a few. List exact origins."),
    "regex_port_part": _("“%(detail)s” leaves a part of the port open. List the ports that are used."),
    "regex_ports": _("“%(detail)s” leaves the port open, which only localhost, 127.0.0.1 and [::1] may."),
    "needs_insecure_http": _(
        "%(detail)s is not encrypted: whoever sits on the network can change the page. Serve it over https; or run "
        "this again with --allow-insecure-http."
    ),
    "needs_insecure_credentials": _(
        "%(detail)s is not encrypted, and with credentials it would act as your users. Serve it over https; or run "
        "this again with --allow-insecure-credentials."
    ),
    "switch_off": _("The environment is there already, and its switch “%(detail)s” is off. Switch it on in the admin."),
    "needs_expiry": _(
        "The environment lets no grant live longer than %(detail)s days, and settings know no expiry. Trust it with "
        "--expires."
    ),
    "route_taken": _("The path belongs to the API group “%(detail)s” already."),
    "revoked_here": _("It was revoked here (%(detail)s) and stays so. cors_guard reinstate takes that back."),
    "group_there": _(
        "The API group is there already, with: %(detail)s. It stays as it is: change it in the admin, or choose "
        "another --group."
    ),
}

#: What the reader should know.
NOTED: Final[Mapping[str, Any]] = {
    "hidden_by": _("It has no effect, for %(detail)s is set."),
    "not_read": _("django-cors-headers reads no setting of this name."),
    "needless": _("It has no effect, for any origin is let in."),
    "regex_never": _("It matches nothing that a browser sends."),
    "paths_named": _("It was not read, for --path names: %(detail)s."),
    "csrf_unread": _("This is no text, so Django cannot use it either."),
    "csrf_stays": _("No CORS setting names it: keep it in CSRF_TRUSTED_ORIGINS."),
    "csrf_without_credentials": _("Keep it: without credentials the API group says nothing about CSRF."),
    "csrf_not_for_all": _(
        "Keep it: the API group is not trusted for CSRF, for these would be, too, and are not today: %(detail)s."
    ),
    "switch": _("The environment has it on, because of %(detail)s."),
    "environment_there": _("The environment is there already. It keeps its mode (%(detail)s) and its switches."),
    "group_watches": _(
        "The environment is stricter, so the new API group %(detail)s gets the mode monitor of its own."
    ),
    "expires_here": _("It is trusted here already, until %(detail)s."),
}

#: How what was taken differs from what the setting said.
NOTES: Final[Mapping[str, Any]] = {
    "one_label": _("WIDER: it stood for one name before the domain; the pattern also for names with dots (a.b)."),
    "alphabet": _("WIDER: it let fewer characters into the name; the pattern takes a to z, 0 to 9, “-” and “_”."),
    "spelling": _("as it was written no browser ever sent it, so it never matched"),
    "bare_host": _("WIDER: the pattern also matches without a port"),
    "port_counted": _("WIDER: the pattern matches any port"),
    "path_itself": _("the route also covers the path itself, without anything behind it"),
    "paths_below": _("the route also covers everything below the path"),
    "end_open": _("narrower: nothing anchored its end, so it also let in …example.com.evil.net"),
    "dot_open": _("narrower: a dot without a backslash stood for any character"),
    "dot_missing": _("narrower: no dot before the domain, so it also let in evilexample.com, for example.com"),
    "segment": _("narrower: routes are whole segments: /api does not cover /apix"),
    "path_case": _("narrower: upper and lower case of paths differ"),
    "dropped": _("left out: what browsers never let a page use"),
    "star_with_credentials": _("left out: with credentials “*” means nothing to browsers"),
    "cut_to_a_day": _("cut to a day, as browsers do"),
    "default": _("not set: its default"),
    "max_age_unsaid": _("no lifetime was sent, so browsers keep a preflight for 5 s"),
    "max_age_long": _("browsers may act on a preflight for so long after a revocation; 600 is a good value"),
}

#: Why no settings can be written.
UNWRITABLE: Final[Mapping[str, Any]] = {
    "unknown_environment": _("There is no environment “%(value)s”."),
    "unknown_group": _("There is no API group “%(value)s”."),
    "several_groups": _(
        "django-cors-headers knows one set of rules, and these API groups differ: %(value)s. Choose one with --group."
    ),
}

#: What settings cannot say.
LOSSES: Final[Mapping[str, Any]] = {
    "max_age_zero": _("0 means “send no lifetime” there: browsers keep preflights for 5 seconds."),
    "isolation": _("WIDER: pages of other sites can load what %(value)s keeps from them by isolation."),
    "timing": _("Timing-Allow-Origin of %(value)s is not sent any more."),
    "resource_policy": _("WIDER: Cross-Origin-Resource-Policy of %(value)s is not sent any more."),
    "star": _("“*” in %(value)s answered every name that was asked for. Add the names that are needed."),
    "expires": _("%(value)s was trusted until %(detail)s. Take it out by hand then."),
    "revoked": _("Left out, for it is revoked: %(value)s. It no longer gets 403, only no CORS headers."),
    "expired": _("Left out, for it has expired: %(value)s"),
    "switched_off": _("Left out, for a safety rule has switched it off: %(value)s"),
    "covered": _("WIDER: %(value)s is let in all the same, by the pattern %(detail)s."),
    "host": _("WIDER: its routes on the host %(value)s now hold on every host."),
    "no_route": _("It has no routes, so the middleware is at work nowhere."),
    "other_groups": _("Left out, for other API groups have them: %(value)s"),
    "csrf_ports": _("CSRF_TRUSTED_ORIGINS cannot say “any port”: %(value)s is not in it."),
    "csrf_domain": _("WIDER: in CSRF_TRUSTED_ORIGINS %(value)s also stands for %(detail)s."),
}


def word_line(line: Line) -> str:
    """Return what became of a value, and for one that was refused what to do."""
    return _fill(_words_of(line), line)


def word_notes(line: Line) -> Iterator[str]:
    """Yield how what was taken differs from what the setting said."""
    for note in line.notes:
        yield str(NOTES.get(note, note))


def word_unwritable(problem: Problem) -> str:
    """Return why no settings can be written."""
    return str(UNWRITABLE[problem.code]) % {"value": problem.value}


def word_loss(loss: Problem) -> str:
    """Return what the settings cannot say."""
    return str(LOSSES[loss.code]) % {"value": loss.value, "detail": loss.detail}


def _words_of(line: Line) -> object:
    if line.verdict is Verdict.NOTED:
        return NOTED.get(line.code)
    return (REFUSED if line.verdict is Verdict.REFUSED else TAKEN).get(line.code)


def _fill(words: object, line: Line) -> str:
    if words is not None:
        return str(words) % {"detail": line.detail}
    # What is wrong with an origin is worded as everywhere else.
    for text in (line.value, line.detail):
        for problem in parse_origin(text).problems:
            if problem.code == line.code:
                return word_problem(problem)
    return word_problem(Problem(line.code, line.value, line.detail))
