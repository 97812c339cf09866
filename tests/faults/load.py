"""Load under which nothing goes unchecked: requests of every kind, what each was answered, when, by which process."""

import http.client
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

HOST: Final = "127.0.0.1"
TRUSTED: Final = "https://app.example.com"
STRANGER: Final = "https://stranger.example.net"
REVOKED: Final = "https://revoked.example.com"
#: The origin that a test trusts and revokes.
TURNED: Final = "https://turned.example.com"

PATH: Final = "/api/public/hello"
#: No answer at all within it is an error of its own kind.
TIMEOUT_SECONDS: Final = 40.0


class Kind(StrEnum):
    """What a request asks."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    REVOKED = "revoked"
    TURNED = "turned"
    PREFLIGHT = "preflight"
    REFUSED_PREFLIGHT = "refused preflight"
    NO_ORIGIN = "no origin"


ORIGINS: Final[Mapping[Kind, str]] = {
    Kind.ALLOWED: TRUSTED,
    Kind.REFUSED: STRANGER,
    Kind.REVOKED: REVOKED,
    Kind.TURNED: TURNED,
    Kind.PREFLIGHT: TRUSTED,
    Kind.REFUSED_PREFLIGHT: STRANGER,
}
PREFLIGHTS: Final = frozenset({Kind.PREFLIGHT, Kind.REFUSED_PREFLIGHT})


class Shape(StrEnum):
    """What an answer amounts to."""

    READABLE = "readable"
    HIDDEN = "hidden"
    FORBIDDEN = "forbidden"
    LEAVE = "leave"
    UNAVAILABLE = "unavailable"
    #: No answer came: the connection broke or timed out.
    BROKEN = "broken"
    #: Nothing that the protocol knows.
    OTHER = "other"


class Rule(StrEnum):
    """By what a process decides."""

    FRESH = "the policy"
    LAPSED = "the lapsed policy"
    COLD = "no policy"


_FRESH: Final = {
    Kind.ALLOWED: Shape.READABLE,
    Kind.REFUSED: Shape.HIDDEN,
    Kind.REVOKED: Shape.FORBIDDEN,
    Kind.PREFLIGHT: Shape.LEAVE,
    Kind.REFUSED_PREFLIGHT: Shape.FORBIDDEN,
    Kind.NO_ORIGIN: Shape.HIDDEN,
}


def expect(kind: Kind, rule: Rule, *, turned_trusted: bool) -> Shape:
    """Return what a request of ``kind`` has to get."""
    if rule is Rule.FRESH:
        if kind is Kind.TURNED:
            return Shape.READABLE if turned_trusted else Shape.FORBIDDEN
        return _FRESH[kind]
    if kind in PREFLIGHTS:
        return Shape.FORBIDDEN if rule is Rule.LAPSED else Shape.UNAVAILABLE
    if rule is Rule.LAPSED and (kind is Kind.REVOKED or (kind is Kind.TURNED and not turned_trusted)):
        return Shape.FORBIDDEN  # an operator's no does not lapse
    return Shape.HIDDEN


@dataclass(frozen=True, slots=True)
class Answer:
    """One request and its answer. Times are of the monotonic clock."""

    kind: Kind
    origin: str | None
    sent: float
    received: float
    status: int
    headers: Mapping[str, str]

    @property
    def seconds(self) -> float:
        return self.received - self.sent

    @property
    def process(self) -> str:
        return self.headers.get("x-process", "")

    @property
    def shape(self) -> Shape:
        if self.status == 0:
            return Shape.BROKEN
        opened = sorted(name for name in self.headers if name.startswith("access-control-"))
        if "origin" not in self.headers.get("vary", "").lower():
            return Shape.OTHER
        if self.headers.get("access-control-allow-origin", self.origin) != self.origin:
            return Shape.OTHER
        return _SHAPES.get((self.status, "access-control-allow-origin" in opened, bool(opened)), Shape.OTHER)

    @property
    def is_refusal(self) -> bool:
        """Whether the audit has to count it."""
        return self.kind is not Kind.NO_ORIGIN and self.shape in _REFUSALS


#: By status, whether the origin may read it, and whether there is any CORS header.
_SHAPES: Final = {
    (200, True, True): Shape.READABLE,
    (200, False, False): Shape.HIDDEN,
    (403, False, False): Shape.FORBIDDEN,
    (204, True, True): Shape.LEAVE,
    (503, False, False): Shape.UNAVAILABLE,
}
_REFUSALS: Final = frozenset({Shape.HIDDEN, Shape.FORBIDDEN, Shape.UNAVAILABLE})


@dataclass
class Permitted:
    """What the answers may be, from each moment on."""

    moments: list[tuple[float, frozenset[Rule], frozenset[bool]]] = field(default_factory=list)

    def __call__(self, *rules: Rule, turned: Iterable[bool] = (True,), since: float | None = None) -> float:
        """From now (or ``since``) on, permit decisions by these rules; ``turned``: whether TURNED may be trusted."""
        moment = time.monotonic() if since is None else since
        self.moments.append((moment, frozenset(rules), frozenset(turned)))
        return moment

    def at(self, sent: float, received: float) -> Iterator[tuple[Rule, bool]]:
        """Whatever was permitted at a moment between the two."""
        begun = [at for at, _rules, _turned in self.moments if at <= sent]
        first = max(begun, default=self.moments[0][0])
        for at, rules, turned in self.moments:
            if first <= at <= received:
                yield from ((rule, trusted) for rule in rules for trusted in turned)


class Load:
    """Sends requests until it is stopped, over a connection each, so that any process may answer."""

    def __init__(self, port: int, kinds: Sequence[Kind] = tuple(Kind), *, threads: int = 10, rate: float = 120) -> None:
        self.answers: list[Answer] = []
        self.permit = Permitted()
        #: For each change of TURNED, how many seconds after it the last request was sent that met the former state.
        self.lags: list[float] = []
        self._port = port
        self._kinds = kinds
        self._pause = threads / rate
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send nothing more, and wait for what is under way."""
        self._stopped.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(TIMEOUT_SECONDS + 5)

    def _run(self, number: int) -> None:
        chance = random.Random(number)
        while not self._stopped.wait(chance.uniform(0, 2 * self._pause)):
            self.answers.append(self.send(chance.choice(self._kinds)))

    def send(self, kind: Kind, origin: str | None = None) -> Answer:
        """Send one request and return what it was answered."""
        return send(self._port, kind, origin or ORIGINS.get(kind))

    def wait_for(self, shape: Shape, kind: Kind, since: float, *, seconds: float, processes: int = 1) -> float:
        """Return when so many processes had answered ``kind`` with ``shape``, of requests sent after ``since``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found: dict[str, float] = {}
            for answer in list(self.answers):
                if answer.kind is kind and answer.sent >= since and answer.shape is shape:
                    found.setdefault(answer.process, answer.received)
            if len(found) >= processes:
                return max(found.values())
            time.sleep(0.05)
        raise AssertionError(f"{processes} processes did not answer {kind} with {shape} within {seconds} s")

    def wrong(self, *, broken: bool = False) -> list[Answer]:
        """Return the answers that were not permitted; ``broken`` connections are, where a process was killed."""
        return [answer for answer in self.answers if not self._is_right(answer, broken=broken)]

    def _is_right(self, answer: Answer, *, broken: bool) -> bool:
        if answer.shape is Shape.BROKEN:
            return broken
        permitted = self.permit.at(answer.sent, answer.received)
        return any(expect(answer.kind, rule, turned_trusted=trusted) is answer.shape for rule, trusted in permitted)

    def refusals(self) -> int:
        """How many of the answers the audit has to count."""
        return sum(answer.is_refusal for answer in self.answers)


def send(port: int, kind: Kind, origin: str | None) -> Answer:
    """Send one request over a connection of its own."""
    headers = {"Origin": origin} if origin else {}
    method = "GET"
    if kind in PREFLIGHTS:
        method = "OPTIONS"
        headers["Access-Control-Request-Method"] = "GET"
    sent = time.monotonic()
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, PATH, headers=headers)
        response = connection.getresponse()
        response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        status = response.status
    except (OSError, http.client.HTTPException):
        found, status = {}, 0
    finally:
        connection.close()
    return Answer(kind, origin, sent, time.monotonic(), status, found)


@contextmanager
def loading(port: int, *, kinds: Sequence[Kind] = tuple(Kind), rate: float = 120) -> Iterator[Load]:
    """Send requests for the length of the block."""
    load = Load(port, kinds, rate=rate)
    load.permit(Rule.FRESH)
    load.start()
    try:
        yield load
    finally:
        load.stop()
