"""A small OpenID Connect issuer on the loopback: a discovery document, keys that change, tokens signed with them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey


class Issuer:
    """What the issuer publishes; `asked` counts fetches by path."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: dict[str, int] = {}
        self.answers = True
        self.discovery: dict[str, Any] = {"issuer": url, "jwks_uri": f"{url}/keys"}
        self.key = self.new_key("first")

    def new_key(self, kid: str) -> RSAKey:
        """Publish a new key in place of the former ones."""
        self.key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})
        self.publish()
        return self.key

    def publish(self) -> None:
        """Tell the present key, and no other."""
        self.published: list[Any] = [{**self.key.as_dict(private=False), "alg": "RS256"}]

    def token(self, claims: dict[str, Any], *, key: Any = None, **header: Any) -> str:
        """A token over claims, signed with the present key unless told otherwise."""
        key = key or self.key
        full = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid, **header}
        every = jws.JWSRegistry(algorithms=list(jws.JWSRegistry.algorithms), strict_check_header=False)
        return jwt.encode({k: v for k, v in full.items() if v is not None}, claims, key, registry=every)


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """An issuer that answers on a port of its own."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked[self.path] = issuer.asked.get(self.path, 0) + 1
            found = {
                "/.well-known/openid-configuration": issuer.discovery,
                "/keys": {"keys": issuer.published},
            }
            body = json.dumps(found.get(self.path, {})).encode()
            self.send_response(200 if issuer.answers else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield issuer
        server.shutdown()
        thread.join()


def elliptic_key(kid: str) -> ECKey:
    """A key of another kind."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})
