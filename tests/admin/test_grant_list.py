from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.html import strip_tags

from django_cors_guard import services
from django_cors_guard.admin import evidence
from django_cors_guard.admin.display import word_moment
from django_cors_guard.admin.grants import filters as grant_filters
from django_cors_guard.models import ApiGroup, Environment, OriginUsage, TrustedOrigin
from django_cors_guard.testing import override_cors_guard
from tests.admin.conftest import login
from tests.admin.pages import post, text, url
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    OriginUsageFactory,
    TrustedOriginFactory,
    user_with,
)

LIST = "trustedorigin_changelist"
LONG_AGO = timedelta(days=400)


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def trust(origin: str, *, age: timedelta = LONG_AGO, used: timedelta | None = None, **values: Any) -> TrustedOrigin:
    now = timezone.now()
    grant: TrustedOrigin = TrustedOriginFactory.create(origin=origin, created_at=now - age, **values)
    if used is not None:
        OriginUsageFactory.create(trusted_origin=grant, first_seen=now - used, last_seen=now - used)
    return grant


def list_rows(client: Client, **query: Any) -> dict[str, str]:
    """Return what the list says of each origin, by origin."""
    page = client.get(url(LIST), query)
    assert page.status_code == 200
    body = page.content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [row for row in body.split("</tr>") if "<td" in row]
    words = [" ".join(strip(row).split()) for row in rows]
    return {row.split()[0]: row for row in words}


def strip(html: str) -> str:
    return strip_tags(html.replace("<", " <"))


def find(client: Client, **query: Any) -> set[str]:
    return set(list_rows(client, **query))


# --- what it says -----------------------------------------------------------------------------------------------------


def test_badges_say_what_each_grant_is_worth(operator: Client) -> None:
    now = timezone.now()
    trust("https://active", used=timedelta(hours=1))
    trust("https://soon", used=timedelta(hours=1), expires_at=now + timedelta(days=13))
    trust("https://later", used=timedelta(hours=1), expires_at=now + timedelta(days=15))
    trust("https://expired", expires_at=now - timedelta(days=1))
    services.revoke(trust("https://revoked"), reason="x")
    trust("http://off")
    trust("https://new", age=timedelta(days=3))
    trust("https://silent")
    trust("https://forgotten", used=timedelta(days=91))
    trust("https://newsoon", age=timedelta(days=3), expires_at=now + timedelta(days=1))
    rows = list_rows(operator)
    day = timezone.localdate(now + timedelta(days=13)).strftime("%B %-d")
    tomorrow = timezone.localdate(now + timedelta(days=1)).strftime("%B %-d")
    assert {origin.partition("://")[2]: badges_of(row) for origin, row in rows.items()} == {
        "active": "active",
        "soon": f"expires {day}",
        "later": "active",
        "expired": "expired",
        "revoked": "revoked",
        "off": "switched off",
        "new": "active never used",
        "silent": "active unused for 90 days",
        "forgotten": "active unused for 90 days",
        "newsoon": f"expires {tomorrow} never used",
    }


def badges_of(row: str) -> str:
    return row.partition(" ")[2].partition(" Public ")[0].partition(" Open ")[0]


def test_use_is_neither_missed_nor_told_where_every_origin_is_let_in(operator: Client) -> None:
    trust("https://app", api_group=ApiGroupFactory.create(slug="open", any_origin=True))
    (row,) = list_rows(operator).values()
    assert badges_of(row) == "active"
    assert "not recorded" in row


def test_badge_claims_no_longer_silence_than_use_is_kept_on_record(operator: Client) -> None:
    trust("https://silent", age=timedelta(days=31))
    with override_cors_guard(AUDIT_RETENTION_DAYS=30):
        (row,) = list_rows(operator).values()
    assert badges_of(row) == "active unused for 30 days"


def test_list_says_when_each_was_used_last(operator: Client) -> None:
    used = trust("https://used", used=timedelta(hours=3))
    OriginUsageFactory.create(trusted_origin=used, last_seen=timezone.now() - timedelta(days=5))
    trust("https://unused")
    trust("https://now", used=timedelta(0))
    rows = list_rows(operator)
    assert "3 hours ago" in rows["https://used"]
    assert "never, on record" in rows["https://unused"]
    assert "just now" in rows["https://now"]
    page = operator.get(url(LIST))
    assert "shows use and proves none" in text(page)
    exact = word_moment(OriginUsage.objects.filter(trusted_origin=used).latest("last_seen").last_seen)
    assert f'title="{exact}"' in page.content.decode()


def test_list_shows_what_punycode_stands_for(operator: Client) -> None:
    trust("https://xn--bcher-kva.example")
    assert "(https://bücher.example)" in list_rows(operator)["https://xn--bcher-kva.example"]


def test_list_links_to_pages_only_if_they_are_there(operator: Client) -> None:
    page = operator.get(url(LIST)).content.decode()
    for name in ("import", "export"):
        assert (f'id="{name}-link"' in page) is exists(name)


def exists(name: str) -> bool:
    try:
        url(name)
    except NoReverseMatch:
        return False
    return True


# --- finding ----------------------------------------------------------------------------------------------------------


def test_status_filters_list_what_the_badges_say(operator: Client) -> None:
    now = timezone.now()
    trust("https://active", used=timedelta(hours=1))
    trust("https://soon", used=timedelta(hours=1), expires_at=now + timedelta(days=13))
    trust("https://expired", expires_at=now - timedelta(days=1))
    services.revoke(trust("https://revoked"), reason="x")
    trust("http://off")
    trust("https://new", age=timedelta(days=3))
    trust("https://silent")
    trust("https://forgotten", used=timedelta(days=91))
    expected = {
        "active": {"https://active", "https://soon", "https://new", "https://silent", "https://forgotten"},
        "expiring": {"https://soon"},
        "expired": {"https://expired"},
        "revoked": {"https://revoked"},
        "switched_off": {"http://off"},
        "never_used": {"https://new", "https://silent"},
        "unused": {"https://silent", "https://forgotten"},
    }
    assert {status: find(operator, status=status) for status in expected} == expected
    assert len(find(operator, status="nonsense")) == 8


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [
        pytest.param("environment", EnvironmentFactory, id="environment"),
        pytest.param("api_group", ApiGroupFactory, id="group"),
        pytest.param("front_end", FrontEndFactory, id="front end"),
    ],
)
def test_list_filters_by_place_and_front_end(operator: Client, parameter: str, kind: Any) -> None:
    chosen = kind.create(slug="chosen")
    trust("https://other", front_end=FrontEndFactory.create(slug="else"))
    trust("https://wanted", **{parameter: chosen})
    assert find(operator, **{f"{parameter}__id__exact": chosen.pk}) == {"https://wanted"}


@pytest.mark.parametrize("value", ["999", "x", "\0", "1 OR 1=1", "-1", "9" * 40])
@pytest.mark.parametrize("parameter", ["environment__id__exact", "api_group__id__exact"])
def test_place_that_is_none_has_no_grants(operator: Client, parameter: str, value: str) -> None:
    trust("https://app")
    assert find(operator, **{parameter: value}) == set()


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        pytest.param("shop", {"https://shop"}, id="slug"),
        pytest.param("SHOP OF WONDERS", {"https://shop"}, id="name in any case"),
        pytest.param("op", {"https://shop", "https://shop2"}, id="part of a slug"),
        pytest.param("  wonder ", {"https://shop"}, id="part of a name"),
        pytest.param("~", {"https://none"}, id="without one"),
        pytest.param("nobody", set(), id="nobody's"),
        pytest.param("\0", set(), id="nul"),
        pytest.param("", {"https://shop", "https://shop2", "https://none"}, id="all"),
    ],
)
def test_list_finds_grants_of_a_front_end(operator: Client, value: str, origins: set[str]) -> None:
    trust("https://shop", front_end=FrontEndFactory.create(slug="shop", name="Shop of wonders"))
    trust("https://shop2", front_end=FrontEndFactory.create(slug="shop2", name="Another"))
    trust("https://none")
    assert find(operator, front_end=value) == origins


def test_few_front_ends_are_links(operator: Client) -> None:
    trust("https://shop", front_end=FrontEndFactory.create(slug="shop", name="Shop of wonders"))
    page = operator.get(url(LIST)).content.decode()
    assert '<a href="?front_end=shop">Shop of wonders</a>' in page
    assert 'id="front-end-filter"' not in page


def test_many_front_ends_are_typed_and_the_other_filters_stay(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grant_filters, "MAX_CHOICES", 3)
    for number in range(5):
        trust(f"https://a{number}", front_end=FrontEndFactory.create(slug=f"shop{number}"))
    page = operator.get(url(LIST), {"status": "active", "q": "a", "front_end": "shop4"}).content.decode()
    assert "?front_end=shop1" not in page
    form = page.partition('class="cors-guard-filter-form"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="status" value="active">' in form
    assert '<input type="hidden" name="q" value="a">' in form
    assert 'value="shop4"' in form
    assert find(operator, status="active", q="a", front_end="shop4") == {"https://a4"}


def test_list_filters_by_who_manages_a_row(operator: Client) -> None:
    trust("https://file", managed_by="policy.toml")
    trust("https://issuer", managed_by="preview-bot")
    trust("https://people")
    page = operator.get(url(LIST)).content.decode()
    for value in ("policy.toml", "preview-bot", "~"):
        assert f"?managed_by={value}" in page
    assert find(operator, managed_by="policy.toml") == {"https://file"}
    assert find(operator, managed_by="~") == {"https://people"}
    assert find(operator, managed_by="\0") == set()


def test_list_says_nothing_of_managers_where_there_are_none(operator: Client) -> None:
    trust("https://people")
    assert "managed by" not in text(operator.get(url(LIST)))


@pytest.mark.parametrize(
    ("term", "origins"),
    [
        pytest.param("https://app.example.com", {"https://app.example.com"}, id="whole"),
        pytest.param(" HTTPS://App.Example.com:443/ ", {"https://app.example.com"}, id="whole, written otherwise"),
        pytest.param("https://app", {"https://app.example.com", "https://app.example.com:8443"}, id="beginning"),
        pytest.param("8443", {"https://app.example.com:8443"}, id="part"),
        pytest.param("https://bücher.example", {"https://xn--bcher-kva.example"}, id="unicode, whole"),
        pytest.param("bücher.example", {"https://xn--bcher-kva.example"}, id="unicode, host"),
        pytest.param("wonder", {"https://shop"}, id="front end"),
        pytest.param("for the fair", {"https://shop"}, id="note"),
        pytest.param("https://nobody", set(), id="nobody"),
        pytest.param("'%_\\", set(), id="wild cards"),
        pytest.param("x" * 5000, set(), id="very long"),
    ],
)
def test_list_finds(operator: Client, term: str, origins: set[str]) -> None:
    for origin in ("https://app.example.com", "https://app.example.com:8443", "https://xn--bcher-kva.example"):
        trust(origin)
    trust("https://shop", front_end=FrontEndFactory.create(name="Shop of wonders"), note="Only for the fair.")
    assert find(operator, q=term) == origins


def test_search_with_nul_is_refused_in_words(operator: Client) -> None:
    trust("https://app")
    assert operator.get(url(LIST), {"q": "a\0"}).status_code == 200


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_list_asks_few_questions_however_long_it_is(django_assert_max_num_queries: Any) -> None:
    client = login(user_with("view_trustedorigin", "change_trustedorigin"))
    for number in range(4):
        group = ApiGroupFactory.create(slug=f"group{number}")
        for letter in "abcde":
            front_end = FrontEndFactory.create(slug=f"shop{letter}")
            trust(f"https://{letter}{number}", api_group=group, front_end=front_end, used=timedelta(days=1))
    client.get(url(LIST))  # the first request of a process also loads the policy
    for query in ({}, {"status": "never_used"}, {"status": "switched_off", "q": "https://a1"}, {"front_end": "shopa"}):
        with django_assert_max_num_queries(15):
            client.get(url(LIST), query)


def test_list_counts_no_further_than_anybody_pages(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MAX_LISTED", 3)
    for number in range(6):
        trust(f"https://a{number}")
    page = operator.get(url(LIST))
    assert page.context["cl"].result_count == 4
    assert "Not all are listed." in text(page)


def test_list_offers_no_counting_of_every_filter(operator: Client) -> None:
    page = operator.get(url(LIST), {"_facets": "True"})
    assert "Show counts" not in text(page)
    assert "Hide counts" not in text(page)


# --- hostile rows -----------------------------------------------------------------------------------------------------

HOSTILE = [
    pytest.param("https://<script>alert(1)</script>", id="script"),
    pytest.param("https://a\u202emoc.example", id="right to left"),
    pytest.param("https://" + "x" * 290, id="long"),
    pytest.param("javascript:alert(1)", id="javascript"),
]


@pytest.mark.parametrize("origin", HOSTILE)
def test_hostile_origins_are_escaped_and_cut_on_every_page(operator: Client, ana: User, origin: str) -> None:
    grant = trust("https://app")
    TrustedOrigin.objects.update(origin=origin)
    pages = [operator.get(url(LIST))]
    pages += [operator.get(url(f"trustedorigin_{name}", grant.pk)) for name in PAGES_OF_A_GRANT]
    ticked = {"action": "revoke_selected", "_selected_action": [grant.pk]}
    pages += [post(operator, url(LIST), ticked), post(operator, url(LIST), {**ticked, "action": "delete_selected"})]
    services.revoke(TrustedOrigin.objects.get(), actor=ana, reason="x\u202ey <script>")
    pages += [
        operator.get(url("trustedorigin_reinstate", grant.pk)),
        operator.get(url("trustedorigin_change", grant.pk)),
    ]
    for page in pages:
        body = page.content.decode()
        assert page.status_code == 200
        assert "<script>alert" not in body
        assert "\u202e" not in body
        assert "x" * 261 not in body
        assert 'href="javascript' not in body


PAGES_OF_A_GRANT = ("change", "revoke", "revoke_everywhere", "delete", "history")


def test_hostile_names_are_escaped(operator: Client) -> None:
    grant = trust(
        "https://app", note="<script>n", front_end=FrontEndFactory.create(name="<script>f", owner="<script>o")
    )
    OriginUsageFactory.create(trusted_origin=grant, method="<script>m\u202e", last_seen=timezone.now())
    Environment.objects.update(name="<script>e")
    ApiGroup.objects.update(name="<script>g")
    for page in (url(LIST), *(url(f"trustedorigin_{name}", grant.pk) for name in ("change", "revoke"))):
        body = operator.get(page).content.decode()
        assert "&lt;script&gt;" in body
        for letter in "nfoegm":
            assert f"<script>{letter}" not in body
        assert "\u202e" not in body
