"""Write docs/recipe.md from the schema, so that there is no second list of settings.

python docs/make_recipe_reference.py
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from unetscope.recipe import Recipe, to_yaml
from unetscope.recipe.presets import PRESETS, describe_preset

PAGE = Path(__file__).with_name("recipe.md")


def reference() -> str:
    """The page as Markdown."""
    parts = [
        "# The recipe",
        "Made by `python docs/make_recipe_reference.py` from the schema; do not edit.",
        "A recipe decides everything about a training. It is written in YAML, every key may be left out, and "
        "an unknown key is refused. On the command line, `--set SECTION.KEY=VALUE` changes one setting.",
        "| setting | default | meaning |\n|---|---|---|\n" + "\n".join(rows(Recipe(), "")),
        "## Presets",
        "`auto`, the default, plans a recipe for your data: `unetscope plan DATA` shows it with its reasons. "
        "The others are U-Net systems from five classroom reports, each as its report describes it.",
    ]
    parts += [f"### {name}\n\n{describe_preset(name)}" for name in PRESETS]
    parts.append(f"## All defaults\n\n```yaml\n{to_yaml(Recipe())}```")
    return "\n\n".join(parts) + "\n"


def rows(section: BaseModel, prefix: str) -> list[str]:
    """One table row per setting; sections come with their own settings."""
    lines = []
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            lines += rows(value, f"{prefix}{name}.")
            continue
        default = "none" if value is None else f"`{value}`"
        lines.append(f"| `{prefix}{name}` | {default} | {' '.join((info.description or '').split())} |")
        optional = [kind for kind in get_args(info.annotation) if isinstance(kind, type)]
        for kind in optional:
            lines += rows(kind(), f"{prefix}{name}.") if issubclass(kind, BaseModel) else []
    return lines


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
