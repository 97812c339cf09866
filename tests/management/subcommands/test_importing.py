"""`cors_guard import`."""

import io
import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from django_cors_guard import services
from django_cors_guard.core.policy_files import MAX_BYTES, yaml_reading
from django_cors_guard.management.subcommands import importing
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, TrustedOrigin
from django_cors_guard.services.policy import apply_policy
from tests.factories import EnvironmentFactory
from tests.management.cli import Run, cors_guard

ORIGIN = "https://app.example.com"
OTHER = "https://shop.example.com"
HEAD = """\
format: django-cors-guard/1
name: shop
environments:
  production: {}
api_groups:
  public:
    routes:
      - path_prefix: /api/public
"""


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """One environment and one API group with its route."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A policy file with one grant."""
    return write(tmp_path / "policy.yaml", ORIGIN)


def write(path: Path, *origins: str, head: str = HEAD, **values: str) -> Path:
    lines = [
        f"  - {{environment: production, api_group: public, origin: '{origin}'"
        + "".join(f", {name}: '{value}'" for name, value in values.items())
        + "}\n"
        for origin in origins
    ]
    path.write_text(head + ("trusted_origins:\n" if lines else "") + "".join(lines), "utf-8")
    return path


def bring_in(file: Path, *words: str, **options: Any) -> Run:
    return cors_guard("import", str(file), *words, **options)


def revision() -> int:
    return PolicyState.read("default").revision


def state() -> tuple[int, int, int]:
    return revision(), PolicyChange.objects.count(), TrustedOrigin.objects.count()


def type_in(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(importing, "is_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda: answer)


def test_import_shows_the_plan_and_writes_nothing(file: Path) -> None:
    before = state()
    done = bring_in(file)
    assert (done.code, done.err) == (0, "")
    assert f"+ production/public {ORIGIN}" in done.out
    assert f"Revision {before[0]}, and nothing was written." in done.out
    assert state() == before
    assert bring_in(file, "--dry-run").out == done.out


def test_the_command_that_the_plan_names_applies_it(file: Path) -> None:
    line = bring_in(file).out.strip().splitlines()[-1]
    words = shlex.split(line.partition("cors_guard ")[2])
    assert words == ["import", str(file), "--apply", "--expect-revision", str(revision())]
    done = cors_guard(*words)
    assert done.code == 0
    assert "Applied: 1 added." in done.out
    story = PolicyChange.objects.get(action="trusted")
    assert (story.source, story.reason) == ("import", "Imported from policy.yaml")
    assert story.actor_label.startswith("cli")


def test_the_command_that_the_plan_names_repeats_what_the_plan_was_made_with(file: Path) -> None:
    EnvironmentFactory.create(slug="staging", protected=True)
    done = bring_in(
        file, *["--format", "yaml", "--environment", "production", "--as", "staging"],
        *["--reinstate", ORIGIN, "--prune", "--allow-protected"],
    )  # fmt: skip
    words = (
        f"--format yaml --environment production --as staging --reinstate {ORIGIN} --prune --allow-protected --apply"
    )
    assert words in done.out


def test_import_again_changes_nothing_and_takes_no_revision(file: Path) -> None:
    assert bring_in(file, "--apply", "--reason", "as agreed").code == 0
    assert PolicyChange.objects.get(action="trusted").reason == "as agreed"
    before = state()
    done = bring_in(file, "--apply", "--prune")
    assert (done.code, state()) == (0, before)
    assert "Nothing to change." in done.out
    assert "Nothing to change" in bring_in(file).out


def test_import_reads_json_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services.trust(ORIGIN, environment="production", api_group="public")
    text = cors_guard("export", "--format", "json").out
    (tmp_path / "policy.json").write_text(text, "utf-8")
    assert bring_in(tmp_path / "policy.json", "--apply").code == 0
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    done = cors_guard("import", "-", "--format", "json", "--apply")
    assert done.code == 0
    assert "Nothing to change." in done.out


def test_what_was_exported_can_be_imported_into_an_empty_database(file: Path) -> None:
    bring_in(file, "--apply")
    services.revoke(TrustedOrigin.objects.get(), reason="taken over")
    cors_guard("export", str(file))
    text = file.read_bytes()
    TrustedOrigin.objects.all().delete()
    ApiGroup.objects.all().delete()
    Environment.objects.all().delete()
    assert bring_in(file, "--apply").code == 0
    cors_guard("export", str(file))
    assert file.read_bytes() == text


def test_import_shows_what_changes_with_the_old_and_the_new(file: Path) -> None:
    bring_in(file, "--apply")
    changed = HEAD.replace("production: {}", "production: {mode: block}").replace("/api/public", "/v2")
    write(file, ORIGIN, head=changed, expires_at="2030-12-31T18:00Z", note="why")
    out = bring_in(file).out
    assert "~ environment production: mode: enforce → block" in out
    assert f"~ production/public {ORIGIN}: expires_at: — → 2030-12-31T18:00:00Z; note: — → why" in out
    assert "+ route public: /v2" in out
    assert "- route public: /api/public" in out


def test_plan_tells_what_a_new_group_and_a_new_environment_would_allow(tmp_path: Path) -> None:
    file = tmp_path / "new.json"
    shop = {"allow_credentials": True, "trusted_for_csrf": True, "isolate": "monitor", "name": "Shop"}
    places = {"environments": {"lab": {"allow_loopback": True}}, "api_groups": {"shop": shop, "plain": {}}}
    file.write_text(json.dumps({"format": "django-cors-guard/1", **places}))
    told = [line.strip() for line in bring_in(file).out.splitlines()]
    assert "+ environment lab (allow_loopback: true)" in told
    assert "+ API group shop (allow_credentials: true; trusted_for_csrf: true; isolate: monitor)" in told
    assert "+ API group plain" in told


def test_import_tells_what_was_mended_and_what_is_risky(tmp_path: Path) -> None:
    done = bring_in(write(tmp_path / "p.yaml", "HTTPS://10.0.0.1/"))
    assert "HTTPS://10.0.0.1/ → HTTPS://10.0.0.1" in done.out
    assert "Whoever gets that address next" in done.err


def test_long_plans_are_cut_unless_all_of_it_is_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path / "p.yaml", *(f"https://a{number}.example.com" for number in range(30)))
    cut, whole = bring_in(file).out, bring_in(file, verbosity=2).out
    assert "To be added (30):" in cut
    assert "… and 10 more: -v 2" in cut
    assert (cut.count("+ production"), whole.count("+ production")) == (20, 30)
    assert "+ production" not in bring_in(file, verbosity=0).out


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(b"", "nothing in it", id="empty"),
        pytest.param(b"a: &a [1]\nb: *a\n", "anchor or an alias", id="alias"),
        pytest.param(b"a: !!python/object/apply:os.system ['true']", "has a tag", id="tag"),
        pytest.param(b"[" * 10_000_000, "nests deeper", id="brackets"),
        pytest.param(b"a: 1\na: 2", "“a” is there twice", id="repeated key"),
        pytest.param(b"\xff\xfe\x00", "no text", id="binary"),
        pytest.param(b"a: \xff", "Line 1 is not in UTF-8", id="no UTF-8"),
        pytest.param(b"x" * (MAX_BYTES + 1), "larger than 32 MiB", id="too large"),
        pytest.param(HEAD.encode() + b"---\n", "second document", id="two documents"),
        pytest.param(
            HEAD.replace("{}", "{max_trust_days: " + "9" * 9999 + "}").encode(),
            "environments.production.max_trust_days: There has to be a whole number",
            id="huge number",
        ),
        pytest.param(
            HEAD.encode() + b'trusted_origins: [{environment: production, api_group: public, origin: "https://a\\tb"}]',
            "trusted_origins[0].origin: There is an invisible character",
            id="control character",
        ),
    ],
)
def test_hostile_file_is_refused_in_words_and_nothing_is_written(file: Path, data: bytes, told: str) -> None:
    file.write_bytes(data)
    before = state()
    done = bring_in(file, "--apply")
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert len(done.err) < 5000
    assert state() == before


def test_hostile_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"format": NaN}')
    done = bring_in(tmp_path / "p.json", "--apply")
    assert done.code == 2
    assert "NaN is no number in JSON" in done.err


def test_without_pyyaml_the_error_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_reading, "yaml", None)
    done = bring_in(file)
    assert done.code == 2
    assert 'pip install "django-cors-guard[yaml]"' in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["nowhere.yaml"], "nowhere.yaml: No such file", id="no file"),
        pytest.param(["policy.txt"], "--format json|yaml", id="ending"),
        pytest.param(["nowhere.yaml", "--expect-revision", "x"], "no revision", id="revision"),
        pytest.param(["nowhere.yaml", "--apply", "--dry-run"], "not allowed with", id="both"),
    ],
)
def test_import_refuses_what_makes_no_sense(words: list[str], told: str) -> None:
    done = cors_guard("import", *words)
    assert done.code
    assert told in done.err


def test_rule_that_the_file_breaks_is_a_problem_with_its_place(file: Path) -> None:
    write(file, ORIGIN, "http://localhost:3000", "https://b.example.com")
    before = state()
    done = bring_in(file, "--apply")
    assert done.code == 2
    assert "trusted_origins[production/public/http://localhost:3000]: " in done.err
    assert "allow loopback" in done.err
    assert state() == before


# --- conflicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--apply"]], ids=["plan", "apply"])
def test_revoked_here_is_a_conflict_with_an_exit_code_of_its_own(file: Path, words: list[str]) -> None:
    services.revoke(services.trust(ORIGIN, environment="production", api_group="public"), reason="taken over")
    write(file, ORIGIN, OTHER)
    before = state()
    done = bring_in(file, *words)
    assert done.code == 3
    assert "Conflicts (1):" in done.out
    assert f"--reinstate {ORIGIN}" in done.out
    assert "taken over" in done.out
    assert state() == before


def test_named_origin_is_reinstated(file: Path) -> None:
    services.revoke(services.trust(ORIGIN, environment="production", api_group="public"), reason="taken over")
    done = bring_in(file, "--apply", "--reinstate", ORIGIN, "--reason", "all clear")
    assert done.code == 0
    assert "1 reinstated" in done.out
    assert TrustedOrigin.objects.get().revoked_at is None
    story = PolicyChange.objects.get(action="reinstated")
    assert (story.source, story.reason) == ("import", "all clear")


# --- the plan seen is the plan applied --------------------------------------------------------------------------------


def test_other_revision_than_expected_writes_nothing(file: Path) -> None:
    seen = revision()
    services.trust(OTHER, environment="production", api_group="public")
    before = state()
    done = bring_in(file, "--apply", "--expect-revision", str(seen))
    assert done.code == 2
    assert f"revision {seen}, and the policy is at revision {seen + 1} now" in done.err
    assert state() == before
    assert bring_in(file, "--expect-revision", str(seen)).code == 2
    assert bring_in(file, "--apply", "--expect-revision", str(seen + 1)).code == 0


def test_policy_that_moves_between_plan_and_lock_writes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = revision()

    def somebody_is_faster(*args: Any, **options: Any) -> Any:
        services.trust(OTHER, environment="production", api_group="public")
        return apply_policy(*args, **options)

    monkeypatch.setattr(importing, "apply_policy", somebody_is_faster)
    done = bring_in(file, "--apply", "--expect-revision", str(seen))
    assert done.code == 2
    assert not TrustedOrigin.objects.filter(origin=ORIGIN).exists()


# --- pruning ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def twenty(tmp_path: Path) -> Path:
    """A file that manages twenty grants, applied; and now it lists only those that `keep` says."""
    file = write(tmp_path / "policy.yaml", *(f"https://a{number}.example.com" for number in range(20)))
    assert bring_in(file, "--apply").code == 0
    return file


def keep(file: Path, count: int) -> None:
    write(file, *(f"https://a{number}.example.com" for number in range(count)))


def test_prune_revokes_a_tenth_without_asking(twenty: Path) -> None:
    keep(twenty, 18)
    assert "To be revoked (2):" in bring_in(twenty, "--prune").out
    assert bring_in(twenty, "--prune", "--apply").code == 0
    revoked = TrustedOrigin.objects.revoked()
    assert {row.revoke_reason for row in revoked} == {"no longer in shop"}
    assert revoked.count() == 2


def test_prune_of_more_than_a_tenth_of_one_environment_needs_to_be_confirmed(twenty: Path) -> None:
    both = twenty.read_text().replace("  production: {}\n", "  production: {}\n  staging: {}\n")
    twenty.write_text(f"{both}  - environment: staging\n    api_group: public\n    origin: {OTHER}\n")
    assert bring_in(twenty, "--apply").code == 0
    twenty.write_text(both)
    assert bring_in(twenty, "--prune", "--apply").code == 2
    assert bring_in(twenty, "--prune", "--apply", "--confirm-prune").code == 0
    assert TrustedOrigin.objects.revoked().count() == 1


def test_prune_of_more_than_a_tenth_needs_to_be_confirmed(twenty: Path) -> None:
    keep(twenty, 17)
    before = state()
    done = bring_in(twenty, "--prune", "--apply")
    assert done.code == 2
    assert "3 of the 20 grants" in done.err
    assert "--confirm-prune" in done.err
    assert (state(), TrustedOrigin.objects.revoked().count()) == (before, 0)
    plan = bring_in(twenty, "--prune")
    assert plan.code == 0
    assert "--confirm-prune" in plan.err
    assert bring_in(twenty, "--prune", "--apply", "--confirm-prune").code == 0
    assert TrustedOrigin.objects.revoked().count() == 3


@pytest.mark.parametrize(
    ("answer", "code", "revoked"),
    [
        pytest.param("3", 0, 3, id="the number"),
        pytest.param("30", 2, 0, id="another number"),
        pytest.param("y", 2, 0, id="yes"),
        pytest.param("", 2, 0, id="nothing"),
    ],
)
def test_prune_asks_at_a_terminal_for_the_number(
    twenty: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, revoked: int
) -> None:
    keep(twenty, 17)
    type_in(monkeypatch, answer)
    assert bring_in(twenty, "--prune", "--apply").code == code
    assert TrustedOrigin.objects.revoked().count() == revoked


def test_prune_asks_nobody_who_typed_the_file(twenty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "20")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(HEAD.encode())))
    done = cors_guard("import", "-", "--prune", "--apply")
    assert (done.code, TrustedOrigin.objects.revoked().count()) == (2, 0)


def test_prune_needs_a_name(file: Path) -> None:
    write(file, ORIGIN, head=HEAD.replace("name: shop\n", ""))
    done = bring_in(file, "--prune", "--apply")
    assert done.code == 2
    assert "name: my-policy" in done.err
    assert not TrustedOrigin.objects.exists()


# --- protected environments, and under another name -------------------------------------------------------------------


def test_protected_environment_needs_to_be_allowed(file: Path) -> None:
    Environment.objects.update(protected=True)
    write(file, ORIGIN, head=HEAD.replace("production: {}", "production: {protected: true}"))
    before = state()
    done = bring_in(file, "--apply")
    assert done.code == 2
    assert "--allow-protected" in done.err
    assert state() == before
    assert bring_in(file, "--apply", "--allow-protected").code == 0
    assert TrustedOrigin.objects.get().origin == ORIGIN
    # What changes nothing needs nothing.
    assert bring_in(file, "--apply").code == 0


def test_file_is_taken_under_another_name(file: Path) -> None:
    EnvironmentFactory.create(slug="staging", mode="monitor")
    write(file, ORIGIN, head=HEAD.replace("production: {}", "production: {mode: block}"))
    done = bring_in(file, "--apply", "--as", "staging")
    assert done.code == 0
    assert "keeps" in done.err or "stay as they are" in done.err
    assert TrustedOrigin.objects.get().environment.slug == "staging"
    assert dict(Environment.objects.values_list("slug", "mode")) == {"production": "enforce", "staging": "monitor"}


def test_run_that_takes_long_says_how_far_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1 trusted origin read." not in bring_in(file).out
    monkeypatch.setattr(importing, "PROGRESS_SECONDS", 0.0)
    assert "1 trusted origin read." in bring_in(file).out


def test_example_of_the_documentation_is_a_policy_file(tmp_path: Path) -> None:
    page = Path(__file__).parents[3].joinpath("docs", "how-to", "policy-file.md").read_text("utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "policy.yaml").write_text(example, "utf-8")
    done = bring_in(tmp_path / "policy.yaml", "--apply")
    assert (done.code, done.err) == (0, done.err)
    assert TrustedOrigin.objects.count() == 2
    before = state()
    assert bring_in(tmp_path / "policy.yaml", "--apply").code == 0
    assert state() == before
    for word in ("--prune", "--confirm-prune", "--reinstate", "--allow-protected", "--as", "--environment"):
        assert f"`{word}" in page
