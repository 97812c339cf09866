"""Which requests a resource isolation policy refuses: those that a page of another site makes, and CORS never sees.

Sources: W3C Fetch Metadata Request Headers (https://www.w3.org/TR/fetch-metadata/), and the policy that is published at
https://web.dev/articles/fetch-metadata. No page can set these headers, and what is no browser sends none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from django_cors_guard.core.decision import Facts, Headers

FETCH_SITE: Final = "Sec-Fetch-Site"
FETCH_MODE: Final = "Sec-Fetch-Mode"
FETCH_DEST: Final = "Sec-Fetch-Dest"

#: What an answer depends on where requests are isolated.
VARY_ISOLATED: Final = (FETCH_SITE, FETCH_MODE, FETCH_DEST)

#: The site's own pages and those of its registrable domain; and what no page began, such as an address that is typed.
_OWN_PAGES: Final = frozenset({"same-origin", "none"})
_OWN_SITES: Final = _OWN_PAGES | {"same-site"}
#: Links. Chromium 76 to 79 said of a frame that it was nested.
_NAVIGATIONS: Final = frozenset({"navigate", "nested-navigate"})
_READING_METHODS: Final = frozenset({"GET", "HEAD"})
#: Where a link may lead to. Not to ``object`` and ``embed``, which show anything at all, nor to what is not known yet.
#: Frames are the business of X-Frame-Options and ``frame-ancestors``, which say whose pages may have them.
_PLACES: Final = frozenset({"document", "iframe", "frame"})

#: No value that is known is longer.
MAX_VALUE: Final = 64


class FetchMetadata(NamedTuple):
    """What a request's Sec-Fetch headers say; None where they are absent."""

    site: str | None = None
    mode: str | None = None
    dest: str | None = None

    @property
    def fields(self) -> Headers:
        """The headers that say so."""
        pairs = ((FETCH_SITE, self.site), (FETCH_MODE, self.mode), (FETCH_DEST, self.dest))
        return tuple((name, value) for name, value in pairs if value is not None)

    @property
    def is_of_own_page(self) -> bool:
        """Whether a page of the site itself asks, or nobody's page."""
        return self.site in _OWN_PAGES


def is_cross_site(facts: Facts) -> bool:
    """Whether a request without Origin comes from another site, and is more than a link to be followed.

    What no browser sends is taken for the worse: an unknown site is another one, an unknown mode no link. An empty
    value is as good as none, for proxies blank what they mean to drop.
    """
    site = facts.fetch_site
    if not site or site in _OWN_SITES:
        return False
    if facts.method not in _READING_METHODS or facts.fetch_mode not in _NAVIGATIONS:
        return True
    place = facts.fetch_dest
    # Chromium said nothing of where to before version 80.
    return bool(place) and place not in _PLACES


def split_metadata(headers: Iterable[str]) -> tuple[FetchMetadata, tuple[str, ...]]:
    """Return what ``headers`` (names, or ``name: value``) say of the Sec-Fetch headers, and the names of the others.

    Names come in lower case. The last of several lines counts; a Sec-Fetch name without a value is one as any other.
    """
    said: dict[str, str] = {}
    names: list[str] = []
    for line in headers:
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon and name in _FIELDS:
            said[_FIELDS[name]] = value.strip()[:MAX_VALUE]
        elif name:
            names.append(name)
    return FetchMetadata(**said), tuple(names)


_FIELDS: Final = {FETCH_SITE.lower(): "site", FETCH_MODE.lower(): "mode", FETCH_DEST.lower(): "dest"}
