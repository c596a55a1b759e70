"""The files of the pages: the demo page of serving/page/, and the description at /docs.

They are read once, when the server starts, so a request cannot reach any other file.
"""

import hashlib
import importlib.util
import os
from typing import NamedTuple

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI sets styles of its own
DOCS_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")

DOCS_PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>etagger: the HTTP interface</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js" defer></script>
</head>
<body><div id="swagger-ui"></div></body>
</html>
"""
DOCS_START = b"""SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true});
"""


class File(NamedTuple):
    body: bytes
    etag: str
    headers: dict


def _file(name, body, policy):
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "content-type": TYPES[os.path.splitext(name)[1]],
        "etag": etag,
        "cache-control": "no-cache",
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
    }
    return File(body, etag, headers)


def page_files():
    """{path: File} of the demo page; its index.html is at / as well."""
    if not os.path.isdir(PAGE):
        return {}
    found = {}
    for name in sorted(os.listdir(PAGE)):
        if os.path.splitext(name)[1] in TYPES:
            with open(os.path.join(PAGE, name), "rb") as stream:
                found[f"/{name}"] = _file(name, stream.read(), POLICY)
    if "/index.html" in found:
        found["/"] = found["/index.html"]
    return found


def docs_files():
    """{path: File} of Swagger UI, which shows the interface. Its files come from the package
    fastapi_offline.
    """
    files = {"/docs": _file("docs.html", DOCS_PAGE, DOCS_POLICY)}
    files["/docs/start.js"] = _file("start.js", DOCS_START, DOCS_POLICY)
    # the package is located and not imported, as only its files are needed
    (package,) = importlib.util.find_spec("fastapi_offline").submodule_search_locations
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        with open(os.path.join(package, "static", name), "rb") as stream:
            files[f"/docs/{name}"] = _file(name, stream.read(), DOCS_POLICY)
    return files
