"""Shapes of hosts: what they cover, and which of them would trust strangers."""

import pytest

from django_cors_guard.core.shapes import HostShape, check_shape, find_shape_risks

NETLIFY = HostShape("deploy-preview-", "--mysite.netlify.app")
OWN = HostShape("", ".preview.example.com")


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("https://deploy-preview-1--mysite.netlify.app", id="number"),
        pytest.param("https://deploy-preview-a-b---mysite.netlify.app", id="hyphens"),
    ],
)
def test_shape_covers_one_word_between_its_ends(origin: str) -> None:
    assert NETLIFY.covers(origin)


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("https://deploy-preview---mysite.netlify.app", id="no word"),
        pytest.param("https://deploy-preview-1--evil-mysite.netlify.app", id="look-alike suffix"),
        pytest.param("https://deploy-preview-1--evilmysite.netlify.app", id="suffix that goes on to the left"),
        pytest.param("https://deploy-preview-1.evil--mysite.netlify.app", id="dot in the word"),
        pytest.param("https://xdeploy-preview-1--mysite.netlify.app", id="prefix not at the beginning"),
        pytest.param("https://deploy-preview-1--mysite.netlify.app.evil.com", id="suffix not at the end"),
        pytest.param("https://deploy-preview-1", id="prefix only"),
        pytest.param("http://deploy-preview-1--mysite.netlify.app", id="http"),
        pytest.param("https://deploy-preview-1--mysite.netlify.app:8443", id="port"),
        pytest.param("https://deploy-preview-1_2--mysite.netlify.app", id="underscore"),
        pytest.param("https://deploy-preview-1\n--mysite.netlify.app", id="line break"),
        pytest.param("https://deploy-preview-1--mysite.netlify.app\n", id="line break at the end"),
        pytest.param("https://deploy-preview-İ--mysite.netlify.app", id="unicode"),
        pytest.param("https://deploy-preview-٣--mysite.netlify.app", id="digit of another script"),
        pytest.param("https://deploy-preview-A--mysite.netlify.app", id="upper case"),
        pytest.param("https://deploy-preview-*--mysite.netlify.app", id="star"),
        pytest.param("https://user@deploy-preview-1--mysite.netlify.app", id="user"),
        pytest.param(f"https://deploy-preview-{'1' * 60}--mysite.netlify.app", id="label too long"),
        pytest.param("", id="nothing"),
    ],
)
def test_shape_covers_nothing_else(origin: str) -> None:
    assert not NETLIFY.covers(origin)


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("https://.preview.example.com", id="empty label"),
        pytest.param("https://a.b.preview.example.com", id="two labels"),
        pytest.param("https://*.preview.example.com", id="pattern"),
        pytest.param("https://xn--a.preview.example.com", id="punycode that stands for nothing"),
        pytest.param("https://preview.example.com", id="apex"),
    ],
)
def test_shape_without_a_prefix_covers_one_whole_label_only(origin: str) -> None:
    assert OWN.covers("https://x.preview.example.com")
    assert not OWN.covers(origin)


@pytest.mark.parametrize(
    ("prefix", "suffix", "codes"),
    [
        pytest.param("deploy-preview-", "--mysite.netlify.app", [], id="Netlify"),
        pytest.param("shop-git-", "-team.vercel.app", [], id="Vercel"),
        pytest.param("myapp-", ".vercel.app", [], id="prefix alone, at a hosting company"),
        pytest.param("", "-team.vercel.app", [], id="suffix alone, at a hosting company"),
        pytest.param("", ".preview.example.com", [], id="label below one's own domain"),
        pytest.param("pr-", ".example.co.uk", [], id="below a domain of two labels"),
        pytest.param("", ".mysite.netlify.app", [], id="below one's own name at a hosting company"),
        pytest.param("", ".com", ["shape_anybody"], id="registry"),
        pytest.param("", ".co.uk", ["shape_anybody"], id="registry of two labels"),
        pytest.param("", ".vercel.app", ["shape_anybody"], id="whole name at a hosting company"),
        pytest.param("myapp.", ".vercel.app", ["shape_anybody"], id="prefix in another label"),
        pytest.param("myapp-", ".com", ["shape_anybody"], id="part of a registered name"),
        pytest.param("", "-myteam.com", ["shape_anybody"], id="end of a registered name"),
        pytest.param("app.", "com", ["shape_anybody"], id="word that runs into the suffix"),
        pytest.param("a.git", "hub.io", ["shape_anybody"], id="word within the suffix"),
        pytest.param("", "localhost", ["shape_anybody"], id="single label"),
        pytest.param("", "", ["shape_no_suffix"], id="nothing"),
        pytest.param("Shop-", ".Example.com", ["shape_characters", "shape_characters"], id="upper case"),
        pytest.param("https://shop-", ".example.com", ["shape_characters"], id="scheme"),
        pytest.param("*", ".example.com", ["shape_characters"], id="star"),
        pytest.param("shop-", ".example.com:8443", ["shape_characters"], id="port"),
        pytest.param("shop-", ".example.com\n", ["shape_characters"], id="line break"),
        pytest.param("müller-", ".example.com", ["shape_characters"], id="unicode"),
        pytest.param("a..", ".example.com", ["shape_no_host"], id="empty label"),
        pytest.param("", ".example.com.", ["shape_no_host"], id="trailing dot"),
        pytest.param("", ".1.2.3", ["shape_no_host"], id="address"),
        pytest.param("a" * 62, ".example.com", ["shape_no_host"], id="label that is full"),
    ],
)
def test_shape_is_checked(prefix: str, suffix: str, codes: list[str]) -> None:
    assert [problem.code for problem in check_shape(HostShape(prefix, suffix))] == codes


@pytest.mark.parametrize(
    ("prefix", "suffix", "shared"),
    [
        pytest.param("deploy-preview-", "--mysite.netlify.app", ["netlify.app"], id="Netlify"),
        pytest.param("myapp-", ".vercel.app", ["vercel.app"], id="prefix alone"),
        pytest.param("", "-team.vercel.app", ["vercel.app"], id="suffix alone"),
        pytest.param("", ".mysite.netlify.app", [], id="below one's own name"),
        pytest.param("pr-", ".preview.example.com", [], id="one's own domain"),
    ],
)
def test_names_that_strangers_can_get_are_a_risk(prefix: str, suffix: str, shared: list[str]) -> None:
    assert [risk.detail for risk in find_shape_risks(HostShape(prefix, suffix))] == shared


def test_suffix_below_which_strangers_live_is_a_risk() -> None:
    (risk,) = find_shape_risks(HostShape("", ".amazonaws.com"))
    assert risk.detail.endswith(".amazonaws.com")
