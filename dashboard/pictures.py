"""The pictures of README and docs, from the screenshots of the browser tests: palettes of 256 colours, so that they stay small.

make screenshots
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
SCREENSHOTS, IMAGES = ROOT / "build" / "screenshots", ROOT / "docs" / "images"
# Name of the picture -> the view, in the light theme.
PICTURES = {
    "dashboard": "exploration",
    "lasso": "lasso",
    "design": "design",
    "compare": "compare-explorations",
    "measurements": "measurements",
}

if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, view in PICTURES.items():
        with Image.open(SCREENSHOTS / f"{view}-light.png") as picture:
            small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
            small.save(IMAGES / f"{name}.png", optimize=True)
