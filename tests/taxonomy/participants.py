"""A web study on small images, and people who take part in it by HTTP."""

from __future__ import annotations

import csv
import html
import random
import re
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from taxonomy.datasets import find_dataset
from taxonomy.hierarchy import Hierarchy
from taxonomy.study.planning import Design, make_plan
from taxonomy.study.server.folder import Wanted, open_study, prepare
from taxonomy.study.server.links import make_links

LINEAGES = [
    ("Anseriformes", "Anatidae", "Mallard"),
    ("Anseriformes", "Anatidae", "Gadwall"),
    ("Piciformes", "Picidae", "Flicker"),
    ("Piciformes", "Capitonidae", "Barbet"),
]
QUESTIONS = 4  # of the test that is made from four classes
PHOTOGRAPHER = "taken by Ann Example in Springfield"  # in the metadata of every image


@dataclass(frozen=True)
class Prepared:
    """The files of a study."""

    images: Path
    hierarchy: Path
    plan: Path
    folder: Path
    links: dict[str, str]

    def open(self, **options):
        """Open it as a server does."""
        return open_study(self.folder, **options)

    def token(self, name):
        """The token of a participant's link."""
        return self.links[name].rpartition("/")[2]


def write_images(folder, per_class, lineages=LINEAGES):
    """Noisy photographs of 40 x 30 pixels, whose metadata name a photographer."""
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x010E] = PHOTOGRAPHER
    for _, _, name in lineages:
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            picture = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
            picture.save(folder / name / f"{i}.jpg", exif=exif, comment=PHOTOGRAPHER)


def prepared(place, people=6, per_person=4, per_class=2, *, lineages=LINEAGES, url="http://127.0.0.1:8080", **wanted):
    """Plan and prepare a study in a folder, and make its links."""
    images = place / "images"
    write_images(images, per_class, lineages)
    hierarchy = Hierarchy.from_lineages(lineages, ("order", "family", "species"), name="few", root="bird")
    hierarchy.save(place / "few.json")
    plan = make_plan(find_dataset(images), hierarchy, Design(participants=people, per_person=per_person))
    plan.save(place / "plan.json")
    prepare(place / "plan.json", hierarchy, images, Wanted("lab@example.org", **wanted), place / "study")
    study = open_study(place / "study")
    make_links(study, url, place / "links.csv")
    study.store.close()
    with (place / "links.csv").open() as file:
        links = {row["participant_id"]: row["link"] for row in csv.DictReader(file)}
    return Prepared(images, place / "few.json", place / "plan.json", place / "study", links)


class Visitor:
    """Somebody with a link and a browser that knows forms and cookies only."""

    def __init__(self, url, token):
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=30)
        self.page = self.http.get(f"/in/{token}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    @property
    def text(self):
        """The page as it is read."""
        return html.unescape(self.page.text)

    @property
    def heading(self):
        """The page's heading."""
        return html.unescape(re.search("<h1>(.*?)</h1>", self.page.text)[1])

    @property
    def fields(self):
        """The hidden fields of the page's form."""
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.page.text))

    @property
    def options(self):
        """What the page's form offers."""
        return [html.unescape(value) for value in re.findall(r'name="value" value="([^"]*)"', self.page.text)]

    @property
    def picture(self):
        """The address of the page's image."""
        return re.search(r'src="(/image/\w+)"', self.page.text)[1]

    def send(self, value, **fields):
        """Answer the page, with other hidden fields where given."""
        self.page = self.http.post("/answer", data={**self.fields, "value": value, **fields})
        return self.page

    def begin(self):
        """Consent, and answer the test: the first option of each."""
        while "/image/" not in self.page.text:
            self.send(self.options[0])

    def answer_all(self, rng=None):
        """Answer everything at random; how many answers that took."""
        rng, count = rng or random.Random(0), 0  # noqa: S311 - nothing secret
        while self.options:
            if "/image/" in self.page.text:
                assert self.http.get(self.picture).status_code == 200
            self.send(rng.choice(self.options))
            assert self.page.status_code == 200, self.page.text
            count += 1
        return count
