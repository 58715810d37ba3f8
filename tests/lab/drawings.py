"""What a drawing must be where it is looked at: whole, and its labels apart. Knows pages, no notebooks of charts."""

import base64
import re

from playwright.sync_api import Locator, Page

#: A chart in an output's HTML.
IMAGE = re.compile(r'<img alt="(?P<alt>[^"]*)"[^>]* src="data:image/svg\+xml;base64,(?P<data>[^"]+)"')
#: The words of images that have not arrived, are empty, say nothing of themselves or stick out of their output.
BROKEN = """images => Promise.all(images.map(image => image.decode().then(() => {
    const box = image.getBoundingClientRect(), around = image.parentElement.getBoundingClientRect();
    return image.naturalWidth > 0 && box.height > 20 && box.width > 100 && image.alt.length > 20
        && box.left >= around.left && box.right <= around.right + 1;
}).then(whole => whole ? null : image.alt))).then(words => words.filter(words => words !== null))"""
#: Texts of a drawing that leave it, and pairs that overlap by more than a pixel.
MISPLACED = """() => {
    const card = document.querySelector("svg").getBoundingClientRect();
    const texts = [...document.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    const out = texts.filter(([, box]) => box.left < card.left - 1 || box.right > card.right + 1
        || box.top < card.top - 1 || box.bottom > card.bottom + 1).map(([words]) => words);
    // Lines of text under each other touch by their ascents alone.
    const meet = (a, b) => a.left + 1 < b.right && b.left + 1 < a.right && a.top + 4 < b.bottom && b.top + 4 < a.bottom;
    const pairs = texts.flatMap(([one, a], at) => texts.slice(at + 1).filter(([, b]) => meet(a, b))
        .map(([other]) => `${one} | ${other}`));
    return {count: texts.length, out, pairs};
}"""
#: Texts that stick out of the filled box that their middle lies in, but for the card.
OUTSIDE = """() => {
    const boxes = [...document.querySelectorAll("svg rect, svg polygon")].slice(1).map(box => box.getBoundingClientRect());
    return [...document.querySelectorAll("text")].filter(text => {
        const box = text.getBoundingClientRect(), x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
        const around = boxes.filter(box => box.left <= x && x <= box.right && box.top <= y && y <= box.bottom);
        return around.some(around => box.left < around.left || around.right < box.right);
    }).map(text => text.textContent);
}"""


def in_html(html: str) -> list[tuple[str, str]]:
    """What each chart of an output says of itself, and its SVG."""
    return [(found["alt"], base64.b64decode(found["data"]).decode()) for found in IMAGE.finditer(html)]


def of_image(image: Locator) -> tuple[str, str]:
    """The same of an image in a page."""
    alt, source = image.get_attribute("alt"), image.get_attribute("src")
    return alt or "", base64.b64decode((source or "").partition("base64,")[2]).decode()


def all_whole(images: Locator) -> None:
    """Each has arrived, with something in it, and lies in its output from side to side."""
    broken = images.evaluate_all(BROKEN)
    assert broken == [], broken


def labels_apart(page: Page, alt: str, svg: str) -> int:
    """No label leaves the drawing or lies on another one; how many there are."""
    page.set_content(f"<body style='margin: 20px'>{svg}</body>")
    found = page.evaluate(MISPLACED)
    assert found["out"] == [], (alt, found)
    assert found["pairs"] == [], (alt, found)
    return int(found["count"])


def words_in_their_boxes(page: Page, svg: str) -> None:
    """Of a drawing of boxes with words: none is wider than its box."""
    page.set_content(f"<body style='margin: 20px'>{svg}</body>")
    assert page.evaluate(OUTSIDE) == []
