"""Opens the server's page in Chromium, light and dark, and takes a picture of both: docs/page.png.
Needs a model, requirements-serve.txt and `make browser-deps`.

    python docs/page.py --model model.etagger
"""

import io
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path[:0] = [ROOT, os.path.join(ROOT, "tests")]

from cli import Parser, UserError, atomic_write, check_readable, run_command  # noqa: E402

TEXT = (  # of the sample's test file
    "According to the Drinmark Today, police in Nalmovo arrested Slalmik Helard, a Skemlandic "
    "novelist at the Dirnivmouth Institute of Technology."
)
WIDTH, HEIGHT = 620, 700  # CSS pixels of each


def start(model):
    """Starts the server. Returns its process and its address."""
    command = [sys.executable, os.path.join(ROOT, "serve.py"), model, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        for word in line.split():
            if word.startswith("http://"):
                return process, word
    raise UserError(f"serve.py ended with {process.wait()}; see what it says by itself")


def picture(browser, address, scheme):
    """The page with the text, as PNG."""
    size = {"width": WIDTH, "height": HEIGHT}
    page = browser.new_page(color_scheme=scheme, viewport=size)
    page.goto(address)
    page.click("summary")
    page.fill("#text", TEXT)
    page.wait_for_selector("#nbest li >> nth=4")
    page.hover("#marked mark >> nth=3")
    return page.screenshot()


def beside(pictures):
    """Pictures of one size -> one of them side by side, in 64 colours."""
    from PIL import Image

    images = [Image.open(io.BytesIO(picture)) for picture in pictures]
    whole = Image.new("RGB", (sum(image.width for image in images), images[0].height))
    for i, image in enumerate(images):
        whole.paste(image, (i * image.width, 0))
    out = io.BytesIO()
    whole.quantize(64, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("--model", required=True, help="an .etagger file")
    parser.add_argument("--output", default=os.path.join(HERE, "page.png"), help="the picture")
    args = parser.parse_args()
    check_readable(args.model, "--model")
    from support.browser import open_browser

    process, address = start(args.model)
    try:
        with open_browser() as browser:
            pictures = [picture(browser, address, scheme) for scheme in ("light", "dark")]
    finally:
        process.terminate()
        process.wait()
    with atomic_write(args.output) as out:
        out.write(beside(pictures))


if __name__ == "__main__":
    run_command(main)
