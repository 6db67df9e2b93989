"""The report of an experiment: answers, tables, figures and how it was done, in Markdown and HTML.

``write`` says what is told in which order, ``setup`` how it was done, ``figures`` what is drawn; ``charts``,
``curves``, ``panels`` and ``details`` draw it. ``blocks`` are the report before it has a format; they write
themselves as Markdown, and ``page`` writes them as HTML.
"""

from __future__ import annotations

from unetscope.experiments.report.panels import Pictures
from unetscope.experiments.report.write import write_report

__all__ = ["Pictures", "write_report"]
