"""Text from outside as Markdown shows it: as it was written."""

from __future__ import annotations

import pytest

from pages._shared.format import plain


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("- a list", r"\- a list"),
        ("1. a list", r"1\. a list"),
        ("12) a list", r"12\) a list"),
        ("+ a list", r"\+ a list"),
        ("=== a heading", r"\=== a heading"),
        ("# a heading", r"\# a heading"),
        ("a heading\n---", "a heading ---"),
        ("One.\n\n    No code.", "One. No code."),
        ("  code", "code"),
        ("2 cars, 3-door", "2 cars, 3-door"),
        ("a_b [c](d) `e`", r"a\_b \[c\](d) \`e\`"),
        ("http://a.b/c", "http\\:\u2060//a.b/c"),
        ("at HTTPS://a.b and www.a.b", "at HTTPS\\:\u2060//a.b and www\u2060.a.b"),
        ("m.e@a.b, @eaDir, s3://a/b", "m.e@\u2060a.b, @eaDir, s3\\://a/b"),
        ("", ""),
    ],
)
def test_markdown_leaves_it_as_it_is(text, markdown):
    assert plain(text) == markdown
