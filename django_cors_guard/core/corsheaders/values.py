"""The settings of django-cors-headers 4.9 as its own code reads them: names, older names, defaults, types.

https://github.com/adamchainz/django-cors-headers/blob/4.9.0/README.rst#configuration. Settings may hold anything, for
nobody has to run its system checks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from django_cors_guard.core.corsheaders.lines import Account, spell

ORIGINS: Final = "CORS_ALLOWED_ORIGINS"
REGEXES: Final = "CORS_ALLOWED_ORIGIN_REGEXES"
ALL_ORIGINS: Final = "CORS_ALLOW_ALL_ORIGINS"
CREDENTIALS: Final = "CORS_ALLOW_CREDENTIALS"
METHODS: Final = "CORS_ALLOW_METHODS"
HEADERS: Final = "CORS_ALLOW_HEADERS"
EXPOSED: Final = "CORS_EXPOSE_HEADERS"
MAX_AGE: Final = "CORS_PREFLIGHT_MAX_AGE"
URLS: Final = "CORS_URLS_REGEX"
PRIVATE_NETWORK: Final = "CORS_ALLOW_PRIVATE_NETWORK"
CSRF: Final = "CSRF_TRUSTED_ORIGINS"

#: It still reads these where the newer name is not set.
OLDER_NAMES: Final[Mapping[str, str]] = {
    ORIGINS: "CORS_ORIGIN_WHITELIST",
    REGEXES: "CORS_ORIGIN_REGEX_WHITELIST",
    ALL_ORIGINS: "CORS_ORIGIN_ALLOW_ALL",
}
#: It no longer reads these.
FORMER_NAMES: Final = frozenset({"CORS_MODEL", "CORS_REPLACE_HTTPS_REFERER"})
NAMES: Final = frozenset(
    {ORIGINS, REGEXES, ALL_ORIGINS, CREDENTIALS, METHODS, HEADERS, EXPOSED, MAX_AGE, URLS, PRIVATE_NETWORK}
)

DEFAULTS: Final[Mapping[str, Any]] = {
    ORIGINS: (),
    REGEXES: (),
    ALL_ORIGINS: False,
    CREDENTIALS: False,
    METHODS: ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"),
    HEADERS: ("accept", "authorization", "content-type", "user-agent", "x-csrftoken", "x-requested-with"),
    EXPOSED: (),
    MAX_AGE: 86_400,
    URLS: r"^.*$",
    PRIVATE_NETWORK: False,
    CSRF: (),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: the name it was found under, its value, and whether nobody has set it."""

    name: str
    value: object
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Values:
    """What the project's settings say; what is wrong with a value's type goes to ``account``."""

    settings: Mapping[str, object]
    account: Account

    def find(self, name: str) -> Setting:
        """Return the setting under its newer or its older name, or its default."""
        for known in (name, OLDER_NAMES.get(name, name)):
            if known in self.settings:
                return Setting(known, self.settings[known])
        return Setting(name, DEFAULTS[name], is_default=True)

    def read_flag(self, name: str) -> bool:
        """Return a switch; what is neither True nor False is refused, and off."""
        setting = self.find(name)
        if isinstance(setting.value, bool):
            return setting.value
        self.account.refuse(setting.name, setting.value, "not_a_flag")
        return False

    def read_list(self, name: str) -> tuple[str, list[object]]:
        """Return the name it was found under, and its items; what is no list is refused, and empty."""
        setting = self.find(name)
        value = setting.value
        if isinstance(value, Sequence | AbstractSet) and not isinstance(value, str | bytes | bytearray | memoryview):
            return setting.name, _items_of(value)
        self.account.refuse(setting.name, value, "not_a_sequence")
        return setting.name, []

    def note_others(self) -> None:
        """Note what is set and has no effect: hidden by a newer name, read no longer, or never read."""
        for newer, older in OLDER_NAMES.items():
            if newer in self.settings and older in self.settings:
                self.account.note(older, self.settings[older], "hidden_by", newer)
        known = NAMES | set(OLDER_NAMES.values()) | {CSRF}
        for name in sorted(self.settings.keys() - known):
            self.account.note(name, self.settings[name], "not_read")


def _items_of(value: Collection[object]) -> list[object]:
    # A set has no order of its own, and the account should read the same each time.
    return sorted(value, key=spell) if isinstance(value, AbstractSet) else list(value)
