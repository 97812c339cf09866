"""How alike two names look: skeletons (what is left when confusable letters are one) and single slips of the hand.

The idea of skeletons is that of Unicode TS 39, section 4 (https://www.unicode.org/reports/tr39/#Confusable_Detection);
the map here is a small one of its own, chosen for domain names.
"""

from __future__ import annotations

import unicodedata
from itertools import zip_longest
from typing import Final

# Cyrillic, Greek, Armenian and odd Latin letters, by the Latin letter they pass for.
_LETTERS: Final = {
    "a": "\u0430\u03b1\u0251",
    "b": "\u0432\u044c\u03b2",
    "c": "\u0441\u03f2",
    "d": "\u0501\u0111",
    "e": "\u0435\u03b5\u04bd",
    "g": "\u0261\u0581",
    "h": "\u04bb\u043d\u0570",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba",
    "l": "1i\u0456\u04cf\u03b9\u0131\u0142",
    "m": "\u043c",
    "n": "\u0578\u03b7\u043f",
    "o": "0\u043e\u03bf\u0585\u00f8",
    "p": "\u0440\u03c1",
    "q": "\u051b",
    "r": "\u0433",
    "s": "5\u0455",
    "t": "\u0442\u03c4",
    "u": "\u03c5\u057d",
    "v": "\u03bd\u0475",
    "w": "\u051d\u03c9\u0461",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03b3\u04af",
    "z": "\u0290",
}
#: What is left in skeletons of hosts, and ``?`` for all other alphabets.
_KEPT: Final = "abcdefghjklmnopqrstuvwxyz2346789._?"
_TWINS: Final = {ord(twin): letter for letter, twins in _LETTERS.items() for twin in twins}


def skeleton(name: str) -> str:
    """Return what the eye keeps of ``name`` (in Unicode, not punycode): equal skeletons are easily confused.

    Accents and hyphens are dropped, look-alike letters and the pairs ``rn`` and ``vv`` become one letter.
    """
    bare = name.lower() if name.isascii() else _strip_accents(name)
    return bare.translate(_TWINS).replace("-", "").replace("rn", "m").replace("vv", "w")


def _strip_accents(name: str) -> str:
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name).casefold())
    return "".join(char for char in folded if unicodedata.category(char) != "Mn")


def is_one_slip(one: str, other: str) -> bool:
    """Whether one insertion, deletion, replacement or swap of neighbours turns ``one`` into ``other``. Linear."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    if len(one) > len(other):
        one, other = other, one
    start = next(at for at, (left, right) in enumerate(zip_longest(one, other)) if left != right)
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    rest, other_rest = one[start:], other[start:]
    return rest[1:] == other_rest[1:] or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])


def list_omissions(name: str) -> set[str]:
    """Return ``name`` and what is left of it without any one letter: names that are one slip apart share some of it."""
    return {name, *(name[:at] + name[at + 1 :] for at in range(len(name)))}


def list_slips(name: str) -> set[str]:
    """Return ``name`` and everything that one slip of the hand makes of it; of a skeleton, what one may look like."""
    pieces = [(name[:at], name[at:]) for at in range(len(name) + 1)]
    return {
        name,
        *(left + right[1:] for left, right in pieces),
        *(left + right[1::-1] + right[2:] for left, right in pieces if len(right) > 1),
        *(left + letter + right[size:] for left, right in pieces for letter in _KEPT for size in (0, 1)),
    }
