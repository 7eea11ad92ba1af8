"""The page in a real browser: skipped where there is none."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="extra test is not installed whole")

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from gradbench.report.publish import report
from tests.report.stored import write_run

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
HOSTILE = '<img src="http://outside.invalid/x" onerror="document.title=1">'

pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None,
    reason="no chromium and chromedriver: apt-get install chromium chromium-driver",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    folder = tmp_path_factory.mktemp("page")
    write_run(folder / "results", "first", models=("mlp", "conv", HOSTILE))
    write_run(folder / "results", "second", models=("mlp",), device="cuda", device_name="GPU")
    page = folder / "index.html"
    page.write_text(report(folder / "results").page)
    options = Options()
    options.binary_location = str(BROWSER)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        driver.get(page.as_uri())
        WebDriverWait(driver, 20).until(
            lambda d: d.execute_script("return document.body.dataset.ready")
        )
        yield driver
        check_silence(driver, page)
    finally:
        driver.quit()


def is_ready(driver: webdriver.Chrome) -> bool:
    return bool(driver.execute_script("return document.body.dataset.ready"))


def check_silence(driver: webdriver.Chrome, page: Path) -> None:
    """At the end: nothing was said on the console, and nothing asked for from outside."""
    bad = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert not bad, bad
    asked = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    outside = [
        url for url in asked if not url.startswith(("data:", "blob:")) and page.as_uri() not in url
    ]
    assert page.as_uri() in asked  # the log does see requests
    assert not outside, outside


def choose(driver: webdriver.Chrome, **choices: str) -> None:
    for name in ("device", "model", "rule", "strategy", "zeroing"):
        Select(driver.find_element(By.NAME, name)).select_by_value(choices.get(name, ""))


def drawn(driver: webdriver.Chrome, name: str) -> None:
    driver.execute_script(f"document.getElementById('{name}').scrollIntoView()")
    done = f"return document.getElementById('{name}').dataset.drawn"
    try:
        WebDriverWait(driver, 20).until(lambda d: d.execute_script(done))
    except TimeoutException:
        pytest.fail(f"{name} was not drawn: {driver.get_log('browser')}")


def visible_rows(driver: webdriver.Chrome, css: str) -> list[str]:
    rows = driver.find_elements(By.CSS_SELECTOR, f"{css} tbody tr:not(.gt_group_heading_row)")
    return [row.text for row in rows if row.is_displayed()]


def test_choices_lead_to_the_recommended_strategy(browser: webdriver.Chrome) -> None:
    choose(browser)
    assert len(visible_rows(browser, "#which")) == 8
    choose(browser, device="Chip 3000", model="mlp", rule="sgd")
    assert browser.find_element(By.ID, "recommended").text == "flat"
    answer = browser.find_element(By.ID, "answer").text
    assert "3.96 – 4.04" in answer
    assert "noise floor 2.0 %" in answer
    assert "0.500 of 4.00 ulp" in answer
    assert "Wrong here, and not ranked: broken" in answer
    rows = visible_rows(browser, "#which")
    assert len(rows) == 1
    assert "mlp" in rows[0]


def test_one_block_is_opened_and_its_default_zeroing_shown(browser: webdriver.Chrome) -> None:
    choose(browser, device="Chip 3000", model="mlp", rule="sgd")
    opened = browser.find_elements(By.CSS_SELECTOR, "details.block:not([hidden])")
    assert [block.get_attribute("open") for block in opened] == ["true"]
    assert len(visible_rows(browser, "details.block:not([hidden])")) == 5
    choose(
        browser, device="Chip 3000", model="mlp", rule="sgd", zeroing="set_to_zero", strategy="flat"
    )
    rows = visible_rows(browser, "details.block:not([hidden])")
    assert len(rows) == 1
    assert "set_to_zero" in rows[0]


def test_choices_stand_in_the_address(browser: webdriver.Chrome) -> None:
    choose(browser, model="conv")
    assert browser.execute_script("return location.hash") == "#model=conv"


@pytest.mark.parametrize(
    "name",
    [
        *("speedup", "update_time", "devices", "phases", "time_against_bytes"),
        *("time_against_tensors", "gradient_norm", "gradient_zeros"),
    ],
)
def test_figures_are_drawn_and_obey_the_choices(browser: webdriver.Chrome, name: str) -> None:
    choose(browser)
    drawn(browser, name)
    marks = f"return document.querySelectorAll('#{name} svg [aria-roledescription]').length"
    before = browser.execute_script(marks)
    choose(browser, model="mlp", rule="sgd")
    WebDriverWait(browser, 10).until(lambda d: 0 < d.execute_script(marks) < before)
    canvas = browser.find_element(By.CSS_SELECTOR, f"#{name} .canvas")
    fits = "return arguments[0].scrollWidth <= arguments[0].clientWidth + 1"
    assert browser.execute_script(fits, canvas)


def test_the_theme_switches(browser: webdriver.Chrome) -> None:
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(colour)
    button = browser.find_element(By.ID, "theme")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    browser.execute_script("arguments[0].click()", button)
    assert browser.execute_script(colour) != before


def test_a_phone_need_not_scroll_sideways(browser: webdriver.Chrome) -> None:
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    choose(browser)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") == 400
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_names_from_results_stay_text(browser: webdriver.Chrome) -> None:
    assert browser.execute_script("return document.querySelectorAll('img').length") == 0
    assert browser.title.startswith("gradbench")
    assert HOSTILE in browser.execute_script(
        "return document.querySelector('#which table').textContent"
    )
