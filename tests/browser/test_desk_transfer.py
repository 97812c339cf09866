"""Import and export, as a person does it: a file out, changed by hand, and in again."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.desk import ONE_SIZE, Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

LIST = "/admin/cors_guard/trustedorigin/"
IMPORT = f"{LIST}import/"
EXPORT = f"{LIST}export/"

GRANTS = """
from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
Environment.objects.get_or_create(slug="live", defaults={"name": "Live"})
def trust(origin, **given):
    return services.trust(origin, environment="live", api_group="public", **given)
"""
SET_UP = f"""{GRANTS}
services.revoke(trust("https://gone.example.com"), reason="The domain was sold.")
trust("https://shop.example.com", note="asked for by Ana")
print(ApiGroup.objects.get(slug="billing").allow_credentials)
"""


def shoot(desk: Desk, name: str) -> None:
    desk.shoot(f"transfer-{name}")
    desk.check_accessibility()
    desk.check_width()


def test_file_goes_out_is_changed_by_hand_and_comes_in(desk: Desk, tmp_path: Path) -> None:
    assert desk.run(SET_UP).strip() == "True"
    page = desk.page

    # Out, with a filter.
    desk.visit(LIST)
    page.locator("#export-link").click()
    page.get_by_label("Live", exact=True).check()
    shoot(desk, "export")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    file = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(file)
    lines = file.read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("environment,api_group,origin,")
    assert [line.split(",")[2] for line in lines[1:]] == ["https://gone.example.com", "https://shop.example.com"]

    # Changed by hand: a note, a revoked row that somebody calls active, good lines and bad ones.
    changed = [line.replace("asked for by Ana", "asked for by Ana and Bo") for line in lines]
    changed[1] = changed[1].replace(",revoked,", ",active,")
    blanks = "," * (lines[0].count(",") - 2)
    changed += [
        f"live,billing,https://new.example.com{blanks}",
        f"live,public,https://shop.github.io{blanks}",
        f"live,public,https://sh0p.example{blanks}",
        f"live,public,https://shop.example{blanks}",
        f"lvie,public,https://app.example.com/login{blanks}",
    ]
    file.write_text("\n".join(changed))

    desk.visit(LIST)
    page.locator("#import-link").click()
    shoot(desk, "import")
    page.get_by_label("File:", exact=True).set_input_files(file)
    page.get_by_role("button", name="Show what it would do").click()
    expect(page.locator("#summary")).to_contain_text("4 will be trusted")
    expect(page.locator("#changes")).to_contain_text("asked for by Ana → asked for by Ana and Bo")
    expect(page.locator("#left-alone")).to_contain_text("The domain was sold.")
    expect(page.locator("#refusals")).to_contain_text("Type live.")
    expect(page.locator("#refusals")).to_contain_text("leave out the path “/login”")
    expect(page.locator("#additions")).to_contain_text("github.io")
    shoot(desk, "plan")

    # The refused line holds up everything, until it is left out.
    page.get_by_label("Reason").fill("The new shop goes live on Monday.")
    page.locator("#apply").click()
    expect(page.locator("#not-yet")).to_be_visible()
    page.get_by_label("Leave out the line that is refused").check()

    # Somebody else is faster: the plan is shown once more.
    desk.run(f"{GRANTS}trust('https://shop.github.io')")
    page.locator("#apply").click()
    expect(page.locator("#moved")).to_be_visible()
    expect(page.locator("#summary")).to_contain_text("3 will be trusted")
    expect(page.get_by_label("Reason")).to_have_value("The new shop goes live on Monday.")
    shoot(desk, "moved")
    page.get_by_label("Leave out the line that is refused").check()
    page.locator("#apply").click()

    expect(page.locator("#outcome")).to_contain_text("The import is done.")
    expect(page.locator("#counts")).to_contain_text("3 origins were trusted.")
    shoot(desk, "done")
    page.locator("#changes-link").click()
    expect(page.locator("#result_list")).to_contain_text("https://new.example.com")

    assert desk.run(
        "from django_cors_guard.models import *\n"
        "print(TrustedOrigin.objects.get(origin='https://gone.example.com').revoked_at is not None,"
        " PolicyChange.objects.filter(source='import').values('revision').distinct().count(),"
        " PolicyChange.objects.filter(source='import').count())"
    ).split() == ["True", "1", "3"]


def test_text_is_pasted_and_what_cannot_be_read_says_why(desk: Desk) -> None:
    page = desk.page
    desk.visit(IMPORT)
    page.get_by_label("Or paste it").fill("enviroment,api_group,origin\nlocal,public,https://app.example.com")
    page.get_by_role("button", name="Show what it would do").press("Enter")
    expect(page.locator("#upload-form")).to_contain_text("There is no column “enviroment”. Type environment.")
    shoot(desk, "unreadable")
    page.get_by_label("Or paste it").fill("environment\tapi_group\torigin\nlocal\tpublic\thttps://pasted.example.com")
    page.get_by_role("button", name="Show what it would do").press("Enter")
    expect(page.locator("#summary")).to_contain_text("1 will be trusted")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download the plan").click()
    assert "https://pasted.example.com" in Path(downloading.value.path()).read_text("utf-8-sig")


@ONE_SIZE
def test_viewer_exports_and_cannot_import(desk: Desk) -> None:
    page = desk.page
    desk.user("vera", "view_trustedorigin")
    desk.visit(LIST)
    expect(page.locator("#import-link")).to_have_count(0)
    page.locator("#export-link").click()
    with page.expect_download():
        page.get_by_role("button", name="Download").click()
    response = page.goto(f"{desk.origin}{IMPORT}")
    assert response is not None
    assert response.status == 403
