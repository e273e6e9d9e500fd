"""Names that are script, markup or formulas: shown as they are written, on every page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from openmax_core.demos.catalogue import DIGITS
from openmax_core.demos.demo import ASSETS
from openmax_core.monitor.monitor import monitor
from openmax_core.monitor.records import BatchRecords
from openmax_core.prediction.choice import choose_method
from openmax_core.tradeoff.saved_points import SavedPoint
from openmax_core.workspace.settings import FILE_NAME, write_settings
from openmax_core.workspace.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.browser.server import serve

# No name of a file has a slash: HTML and Markdown read one in these, too.
SLASHES = "&#47;&#47;evil.example&#47;"
CLASSES = (
    f'<img src="http:{SLASHES}0.png" onerror="window.hacked=1">',
    f"![x](http:{SLASHES}1.png) [y](javascript:window.hacked=1)",
    "<svg onload=window.hacked=1><b id=injected>",
    "$\\frac{a}{b}$ \"q\" 'q' &lt;b&gt; :red[x] :material_home: `code` **b**",
    "a\nb \u202eecila\u202c",
    # No folder has this name, and so no pictures: it borrows its tail.
    "<img src=http://evil.example/5.png onerror=window.hacked=1> ![z](http://evil.example/z.png)",
)
KINDS = (f"![k](http:{SLASHES}k.png)", "<b id=injected onmouseover=window.hacked=1>kind")
FILES = (f'<img src="http:{SLASHES}f.png" onerror="window.hacked=1">', f"![f](http:{SLASHES}g.png)")
NAME = "<img src=http://evil.example/n onerror=window.hacked=1> $x$"  # as long as a name may be
TEXT = (
    f"{NAME} ![n](http://evil.example/m.png) <script>window.hacked=1</script> "
    "[l](http://evil.example) $x^2$\n\n# y"
)
PAGES = ("", "threshold", "weibull", "methods", "upload", "monitor", "method", "workspace")
# What must stand nowhere, in the shadows of components neither.
INJECTED = (
    *("[src^='http://evil']", "[href^='http://evil']", "[href^=javascript]", "[onerror]"),
    *("[onload]", "[onmouseover]", "#injected", ".katex", "h1:text-is('y')"),
)


@dataclass
class Visit:
    """A visitor whose browser notes what it asks of other hosts."""

    dashboard: Dashboard
    asked: list[str] = field(default_factory=list)

    @property
    def page(self) -> Page:
        return self.dashboard.page

    def expect_nothing_injected(self) -> None:
        self.dashboard.wait_until_idle()
        expect_clean(self.page)
        assert self.asked == []


def expect_clean(page: Page) -> None:
    found = {selector: page.locator(selector).count() for selector in INJECTED}
    assert {selector: count for selector, count in found.items() if count} == {}
    assert page.evaluate("window.hacked") is None


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The digits under other names: a few pictures of five classes, and two kinds of unknowns."""
    root = tmp_path_factory.mktemp("hostile")
    DIGITS.write_pictures(ASSETS, root / "digits")
    folder = root / "work" / KINDS[1]
    for split, count in (("train", 25), ("test", 12)):
        for label, name in enumerate(CLASSES[:5]):
            _take(root / "digits" / split / str(label), folder / split / name, count)
    for label, name in zip((7, 9), KINDS, strict=True):
        _take(root / "digits" / "reject" / str(label), folder / "reject" / name, 30)
    shutil.rmtree(root / "digits")
    weights = ASSETS / (DIGITS.settings.classifier.weights or "")
    for path in ASSETS.glob(f"{weights.stem}*"):
        shutil.copyfile(path, folder / path.name)
    settings = replace(
        DIGITS.settings,
        name=NAME,
        description=TEXT,
        notice=TEXT,
        classifier=replace(DIGITS.settings.classifier, classes=CLASSES),
    )
    write_settings(folder / FILE_NAME, settings)
    made = Workspace.open(folder)
    made.extract("cpu")
    evaluation = made.evaluate()
    for name, threshold in ((NAME, 0.9), ("*other* `point`", 0.5)):
        made.saved_points.add(SavedPoint(name, TEXT, "2026-03-31", evaluation.point_at(threshold)))
    made.choose(made.saved_points.load()[0].point)
    choice = choose_method(made)
    for name in (NAME, FILES[1][:60]):
        measured = monitor(made, made.pictures.folder("test"), choice, compare="none")
        BatchRecords.of(made).add(measured, name, datetime(2026, 3, 31, tzinfo=UTC))
    return made


def _take(source: Path, folder: Path, count: int) -> None:
    """Copy some pictures, the first two under hostile names."""
    folder.mkdir(parents=True)
    for number, path in enumerate(sorted(source.iterdir())[:count]):
        name = FILES[number] if number < len(FILES) else path.stem
        shutil.copyfile(path, folder / f"{name}.png")


@pytest.fixture(scope="module")
def visit(workspace: Workspace, browser: Browser) -> Iterator[Visit]:
    root = workspace.folder.parents[1]
    with serve(root) as address:
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        visitor = Visit(Dashboard(context.new_page(), address, NAME))

        def note(url: str) -> None:
            if not url.startswith((address, "data:", "blob:")):
                visitor.asked.append(url)

        context.on("request", lambda request: note(request.url))
        visitor.page.on("dialog", lambda dialog: visitor.asked.append(dialog.message))
        yield visitor
        context.close()
    log = (root / "server.log").read_text(errors="replace")
    assert "Traceback" not in log, log


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_names_as_they_are_written(visit: Visit, name: str) -> None:
    visit.dashboard.open(name)
    visit.expect_nothing_injected()


def test_a_mistake_and_its_dialog(visit: Visit) -> None:
    page = visit.page
    visit.dashboard.open("threshold?threshold=0.95")
    visit.dashboard.wait_for_explorer()
    page.get_by_role("radio", name="Rejected knowns").click()
    expect(page.get_by_text("knowns are rejected")).to_be_visible()
    visit.dashboard.wait_until_idle()
    page.locator(".gallery button").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("true class:")
    visit.expect_nothing_injected()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_text("A threshold per class", exact=True).click()
    visit.expect_nothing_injected()


def test_a_class_in_detail(visit: Visit) -> None:
    visit.dashboard.open("weibull")
    panels = visit.page.locator(".multiples li button")
    expect(panels.locator("b").first).to_have_text(CLASSES[0])
    for number in (0, 3, 5):
        panels.nth(number).click()
        expect(visit.page.get_by_role("dialog")).to_be_visible()
        visit.expect_nothing_injected()
        visit.page.keyboard.press("Escape")
        expect(visit.page.get_by_role("dialog")).to_have_count(0)


def test_an_upload_and_its_dialog(visit: Visit, workspace: Workspace) -> None:
    page = visit.page
    visit.dashboard.open("upload")
    content = (workspace.pictures.folder("test") / CLASSES[3] / f"{FILES[0]}.png").read_bytes()
    sent: list[FilePayload] = [
        {"name": f"{FILES[0]}.png", "mimeType": "", "buffer": content},
        {"name": f"{FILES[1]}.png", "mimeType": "", "buffer": b"no picture"},
    ]
    page.locator('input[type="file"]').set_input_files(sent)
    expect(page.locator(".card .name")).to_contain_text("<img src=")
    visit.expect_nothing_injected()
    page.locator(".card .name").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    visit.expect_nothing_injected()


def test_a_picture_of_a_batch(visit: Visit) -> None:
    visit.dashboard.open("monitor")
    visit.page.locator(".gallery button").first.click()
    expect(visit.page.get_by_role("dialog")).to_be_visible()
    visit.expect_nothing_injected()


def test_the_diagnosis_and_what_a_visitor_writes(visit: Visit, workspace: Workspace) -> None:
    page = visit.page
    (workspace.folder / "test" / FILES[1]).mkdir(exist_ok=True)
    visit.dashboard.open("workspace")
    page.get_by_role("button", name="Check this workspace").click()
    expect(page.get_by_role("button", name="Look again")).to_be_visible(timeout=120_000)
    visit.expect_nothing_injected()
    page.get_by_role("textbox", name="Folder of the workspace").fill(TEXT)
    page.get_by_test_id("stButton").get_by_text("Open", exact=True).click()
    expect(page.get_by_test_id("stAlertContentError").first).to_be_visible()
    visit.expect_nothing_injected()
    (workspace.folder / "test" / FILES[1]).rmdir()


def test_the_guide_and_its_browser(visit: Visit, workspace: Workspace) -> None:
    page = visit.page
    visit.dashboard.open("workspace")
    for label in ("Train folder", "Test folder"):
        page.get_by_role("textbox", name=label).fill(TEXT)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(2)
    visit.expect_nothing_injected()
    page.get_by_role("textbox", name="Train folder").fill("")
    page.locator(".st-key-guide_train_browse button").click()
    entries = page.locator(".st-key-places button")
    for name in ("work", KINDS[1], "train"):
        entries.filter(has_text=name).first.click()
        visit.dashboard.wait_until_idle()
    expect(entries.filter(has_text="<svg onload")).to_have_count(1)
    expect(page.get_by_text("their names have line breaks")).to_be_visible()
    visit.expect_nothing_injected()
    page.get_by_role("button", name="Up").click()
    page.get_by_role("button", name="Take train, test and reject").click()
    expect(page.locator(".st-key-browser")).to_have_count(0)
    visit.dashboard.wait_until_idle()
    reject = page.get_by_role("textbox", name="Reject folder")
    expect(reject).to_have_count(1)  # a redraw shows the field of before beside it for a moment
    expect(reject).not_to_have_value("")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Class names and their order").first).to_be_visible()
    visit.expect_nothing_injected()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("radio", name="A weights file").click()
    for label in ("Architecture", "Weights file"):
        page.get_by_role("textbox", name=label).fill(TEXT)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("torchvision has no classification architecture")).to_be_visible()
    visit.expect_nothing_injected()


def test_a_link_to_a_workspace_that_is_not_there(visit: Visit) -> None:
    visit.dashboard.open(f"threshold?workspace={TEXT.replace('#', '%23')}")
    expect(visit.page.get_by_text("The link names the workspace")).to_be_visible()
    visit.expect_nothing_injected()


def test_the_report(visit: Visit, browser: Browser, tmp_path: Path) -> None:
    visit.dashboard.open("threshold")
    with visit.page.expect_download() as download:
        visit.page.get_by_role("button", name="Report (HTML)").click()
    path = tmp_path / "report.html"
    download.value.save_as(path)
    context = browser.new_context()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(path.as_uri())
    expect(page.get_by_text("Test accuracy").first).to_be_visible()
    expect_clean(page)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()
