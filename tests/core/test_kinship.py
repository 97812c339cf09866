"""Relatives and look-alikes: a few texts are picked out of many, and none that would have been nearer is missed."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from django_cors_guard.core.explain import Candidate, find_nearest, hosts_to_search
from django_cors_guard.core.kinship import MAX_RELATIVES, find_kin
from django_cors_guard.core.origins import parse_canonical
from tests.core.strategies import ANY_TEXT, NEARLY_ORIGINS

APP = "https://app.example.com"

HOSTS = st.tuples(
    st.sampled_from(["", "app.", "shop.", "www.", "a.b.", "app-", "example.com."]),
    st.sampled_from(
        ["example.com", "example.net", "exarnple.com", "examp1e.com", "xn--exmple-cua.com", "me.github.io"]
    ),
).map("".join)
ORIGINS = st.one_of(
    st.tuples(
        st.sampled_from(["https://", "http://", "https://*."]), HOSTS, st.sampled_from(["", "", ":8080", ":3000"])
    ).map("".join),
    st.sampled_from(
        ["http://localhost", "http://localhost:*", "http://127.0.0.1:3000", "capacitor://localhost", "https://10.0.0.1"]
    ),
)


def nearest_among(raw: str, texts: list[str]) -> tuple[str, str] | None:
    candidates = [Candidate(text, "production", "billing") for text in texts]
    nearest = find_nearest(raw, environment="production", api_group="public", candidates=candidates)
    return (nearest.candidate.origin, nearest.difference) if nearest is not None else None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param("https://shop.example.com", APP, id="sibling"),
        pytest.param("https://example.com", APP, id="parent"),
        pytest.param("https://app.example.com:8443", "https://app.example.com:3000", id="another port"),
        pytest.param("http://localhost:5173", "http://127.0.0.1:3000", id="names of one machine"),
        pytest.param("http://localhost", "capacitor://localhost", id="scheme of an app"),
        pytest.param("https://10.0.0.1:1", "https://10.0.0.1:2", id="address"),
        pytest.param("https://deep.below.example.com", "https://*.example.com:8443", id="pattern"),
        pytest.param("https://app.exarnple.com", APP, id="look-alike"),
        pytest.param("https://app.example.com.evil.net", APP, id="in front of another's domain"),
        pytest.param("HTTPS://APP.exarnple.com/", APP, id="look-alike, respelt"),
    ],
)
def test_find_kin_picks_what_is_related(raw: str, text: str) -> None:
    strangers = ["https://other.test", "https://app.elsewhere.net", "https://10.0.0.2", "app://store"]
    assert find_kin([raw], [*strangers, text]) == {raw: (text,)}


@pytest.mark.parametrize("raw", ["null", "", "https://", "https://a b", "\x00"])
def test_find_kin_leaves_out_what_nobody_can_read(raw: str) -> None:
    assert find_kin([raw], [APP]) == {}


def test_find_kin_keeps_the_nearest_relatives_alone() -> None:
    siblings = [f"https://a{at:03}.example.com" for at in range(100)]
    related = ["https://example.com", "http://shop.example.com", "https://below.shop.example.com"]
    raw = "https://shop.example.com"
    (kin,) = find_kin([raw], [*siblings, *related]).values()
    assert len(kin) == MAX_RELATIVES
    assert kin[:3] == ("http://shop.example.com", "https://below.shop.example.com", "https://example.com")
    assert kin[3:] == tuple(siblings[:5])


def test_find_kin_of_several_keeps_them_apart() -> None:
    other = "https://api.other.test"
    assert find_kin(["https://shop.example.com", "https://web.other.test"], [APP, other]) == {
        "https://shop.example.com": (APP,),
        "https://web.other.test": (other,),
    }


@settings(max_examples=400, deadline=None)
@given(
    raw=st.one_of(ORIGINS, ORIGINS, NEARLY_ORIGINS),
    trusted=st.lists(ORIGINS.filter(lambda text: parse_canonical(text) is not None), max_size=6, unique=True),
)
@example(raw="https://com", trusted=["https://example.com"])
@example(raw="https://app.intranet", trusted=["https://intranet"])
def test_nothing_nearer_is_left_out(raw: str, trusted: list[str]) -> None:
    searched = [text for text in hosts_to_search(raw) if text in trusted]
    picked = list(dict.fromkeys([*searched, *find_kin([raw], trusted).get(raw, ())]))
    assert nearest_among(raw, picked) == nearest_among(raw, trusted)


@settings(max_examples=300, deadline=None)
@given(raws=st.lists(st.one_of(ANY_TEXT, NEARLY_ORIGINS), max_size=5), trusted=st.lists(st.one_of(ANY_TEXT, ORIGINS)))
def test_find_kin_of_any_texts_picks_from_those_given(raws: list[str], trusted: list[str]) -> None:
    kin = find_kin(raws, trusted)
    assert set(kin) <= set(raws)
    assert all(set(texts) <= set(trusted) for texts in kin.values())
