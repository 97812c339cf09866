"""Host shapes: ``https://`` + literal prefix + one word + literal suffix, what CI may have trusted by itself.

The word is ``[a-z0-9-]+``: no dot, so that it stays within one label. What is fixed has to say whose hosts they are:
``preview-`` and ``.com`` would hand the right to trust to whoever buys a domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django_cors_guard.core.origins import OriginKind, parse_canonical, parse_origin
from django_cors_guard.core.problems import Problem, show
from django_cors_guard.core.suffixes import registrable_domain, shared_hosting_suffix, sheltered_suffix

_LITERAL: Final = re.compile(r"[a-z0-9.-]*", re.ASCII)
_WORD: Final = re.compile(r"[a-z0-9-]+", re.ASCII)
#: Stands for the word where a whole host is looked at; no public suffix begins or ends with it.
_SAMPLE: Final = "q7z"
_SCHEME: Final = "https://"


class ShapeCode(StrEnum):
    """Every code of ``check_shape``, whose value is the piece that is wrong, and of ``find_shape_risks``."""

    CHARACTERS = "shape_characters"  # anything but lower-case letters, digits, hyphens and dots
    NO_SUFFIX = "shape_no_suffix"  # nothing says where the host ends
    NO_HOST = "shape_no_host"  # no browser could be on such a host: an empty label, an IP address, too long
    ANYBODY = "shape_anybody"  # the word decides whose domain it is

    SHARED = "shape_shared"  # strangers can get such a name at the same host. Detail: the shared suffix


@dataclass(frozen=True, slots=True)
class HostShape:
    """The hosts that begin with ``prefix``, end with ``suffix`` and have one word in between."""

    prefix: str
    suffix: str

    def covers(self, origin: str) -> bool:
        """Whether ``origin``, as it is stored, is https on such a host, without a port."""
        if not origin.startswith(_SCHEME + self.prefix) or not origin.endswith(self.suffix) or not self.suffix:
            return False
        word = origin[len(_SCHEME) + len(self.prefix) : len(origin) - len(self.suffix)]
        if _WORD.fullmatch(word) is None:
            return False
        parsed = parse_canonical(origin)
        return parsed is not None and parsed.kind is OriginKind.EXACT

    def spell(self, word: str) -> str:
        """Return the origin with ``word`` in the gap."""
        return f"{_SCHEME}{self.prefix}{word}{self.suffix}"


def check_shape(shape: HostShape) -> tuple[Problem, ...]:
    """Return everything that is wrong with ``shape``.

    Without any, the hosts that fit it are one owner's, or a hosting company gives them out: ``find_shape_risks`` tells.
    """
    odd = [text for text in (shape.prefix, shape.suffix) if _LITERAL.fullmatch(text) is None]
    if odd:
        return tuple(Problem(ShapeCode.CHARACTERS.value, show(text)) for text in odd)
    if not shape.suffix:
        return (Problem(ShapeCode.NO_SUFFIX.value, ""),)
    host = _sample_host(shape)
    parsed = parse_origin(shape.spell(_SAMPLE))
    if parsed.origin is None or parsed.origin.host != host:
        return (Problem(ShapeCode.NO_HOST.value, shape.spell("…")),)
    return (Problem(ShapeCode.ANYBODY.value, shape.spell("…")),) if _is_anybodys(shape, host) else ()


def find_shape_risks(shape: HostShape) -> tuple[Problem, ...]:
    """Return what may go wrong with a shape that ``check_shape`` accepts."""
    return tuple(
        Problem(ShapeCode.SHARED.value, shape.spell("…"), suffix) for suffix in _list_shared(shape, _sample_host(shape))
    )


def _sample_host(shape: HostShape) -> str:
    return f"{shape.prefix}{_SAMPLE}{shape.suffix}"


def _is_anybodys(shape: HostShape, host: str) -> bool:
    """Whether the word reaches into the name that its owner registered, or further, so that it says who that is.

    A part of such a name may vary at a hosting company, where the fixed part is one's own as far as names go; among
    registries it may not, for a registered name is anybody's.
    """
    owned = registrable_domain(host)
    end = len(shape.prefix) + len(_SAMPLE)
    start_of_owned = len(host) - len(owned)
    if end <= start_of_owned:
        return False
    name = owned.partition(".")[0]
    is_within_name = len(shape.prefix) < start_of_owned + len(name)
    return not is_within_name or name == _SAMPLE or not shared_hosting_suffix(host)


def _list_shared(shape: HostShape, host: str) -> Iterator[str]:
    owned = registrable_domain(host)
    if len(shape.prefix) + len(_SAMPLE) > len(host) - len(owned):
        yield shared_hosting_suffix(host)
    else:
        below = sheltered_suffix(shape.suffix.partition(".")[2])
        if below:
            yield below
