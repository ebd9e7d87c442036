"""HTML as a person reads it; badly nested HTML is refused."""

import re
from html.parser import HTMLParser


class Balanced(HTMLParser):
    """Follows HTML and stops where it is not well nested."""

    VOID = frozenset({"br", "img", "meta", "hr", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert not parser.open
    return re.sub(r"\s+", " ", " ".join(parser.text))
