# SPDX-License-Identifier: BSL-1.0
#
# A hook of mkdocs (mkdocs.yml): what a page links to outside docs/, as `../examples/sse_ticks.cpp`, becomes a part of the
# site, so that the pages read the same on the site and in the repository. A link to what does not exist fails the build.

import pathlib
import re

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
