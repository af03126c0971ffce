"""How Sphinx makes the site (``make docs``); why Sphinx: decisions/site.md."""

project = "autoassist_fairseq"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "autoassist_fairseq"
html_copy_source = False
myst_heading_anchors = 3  # a link may lead to a heading, as on GitHub
