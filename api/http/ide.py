"""GraphiQL for development: served from here, so that it works without the internet, with a tab for each kind of user.

The files under assets/ are those of the npm packages react 18.2.0, react-dom 18.2.0 and graphiql 3.8.3 (all MIT),
compressed.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_HERE = Path(__file__).parent
_KINDS = {"css": "text/css", "js": "text/javascript"}
_FILES = frozenset({"react.js", "react-dom.js", "graphiql.js", "graphiql.css", "start.js"})
_DAY = 86_400


def wants_page(request: Request) -> bool:
    """Whether a person opened the endpoint in a browser."""
    return (
        request.method == "GET"
        and "query" not in request.query_params
        and "text/html" in request.headers.get("accept", "")
    )


def page() -> Response:
    """The page; what it loads comes from this server alone."""
    return HTMLResponse(
        (_HERE / "assets" / "ide.html").read_text(),
        headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"},
    )


_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; "
    "worker-src 'self' blob:; connect-src 'self' ws: wss:; frame-ancestors 'none'"
)


async def asset(request: Request) -> Response:
    """`GET /ide/{name}`: one of the page's files."""
    name = request.path_params["name"]
    if name not in _FILES:
        return Response(status_code=404)
    headers = {"Cache-Control": f"max-age={_DAY}"}
    packed = _HERE / "assets" / f"{name}.gz"
    path = packed if packed.exists() else _HERE / "assets" / name
    if path is packed:
        headers["Content-Encoding"] = "gzip"
    return Response(path.read_bytes(), media_type=_KINDS[name.rsplit(".", 1)[1]], headers=headers)
