# SPDX-License-Identifier: BSL-1.0
#
# Hooks of mkdocs (mkdocs.yml). What a page links to outside docs/, as `../examples/sse_ticks.cpp`, becomes a part of the site,
# so that the pages read the same on the site and in the repository. A link to what does not exist fails the build: to a
# file, which mkdocs sees, or to a heading, which it does not. README.md is looked at, too.

import html.parser
import pathlib
import re

from mkdocs.exceptions import BuildError
from mkdocs.structure.files import File

root = pathlib.Path(__file__).resolve().parent.parent
outside = re.compile(r"\]\(\.\./([^)#]+)")
pages_of_the_root = ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]


def on_files(files, config):
    wanted = set(pages_of_the_root + ["LICENSE"])
    for page in files.documentation_pages():
        wanted.update(outside.findall(pathlib.Path(page.abs_src_path).read_text(encoding="utf-8")))
    for path in sorted(wanted):
        if (root / path).is_file():
            files.append(File(path, str(root), config["site_dir"], config["use_directory_urls"]))
    return files


def on_page_markdown(markdown, page, config, files):
    if page.file.src_uri in pages_of_the_root:
        return re.sub(r"\]\(docs/", "](", markdown)
    return outside.sub(r"](\1", markdown)


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.links = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            if tag == "a" and name == "href" and value and "#" in value and "://" not in value:
                self.links.add(value)


def on_post_build(config):
    site = pathlib.Path(config["site_dir"])
    pages = {path.relative_to(site).as_posix(): Page(path) for path in site.glob("*.html")}
    for name, page in pages.items():
        for link in page.links:
            target, _, heading = link.partition("#")
            there = pages.get(target or name)
            if heading and there and heading not in there.ids:
                raise BuildError(f"{name}: there is no heading {link}")
    for link in re.findall(r"\]\(([^):]+)\)", (root / "README.md").read_text(encoding="utf-8")):
        target, _, heading = link.partition("#")
        there = pages.get(pathlib.PurePath(target).with_suffix(".html").name)
        if not (root / target).exists() or (heading and there and heading not in there.ids):
            raise BuildError(f"README.md: there is no {link}")
