"""The Starlette application: routes, and what stands around them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from api.auth import Door
from api.documents import TrustedDocuments
from api.failed_logins import FailedLogins
from api.graphql.schema import build_schema
from api.http.endpoint import GraphQLEndpoint
from api.http.ide import asset, page, wants_page
from api.http.observing import Metrics, Observed
from api.http.openings import Openings
from api.http.rates import Rates
from api.http.sockets import GraphQLSocket
from api.issuer_keys import IssuerKeys
from api.logs import log_failure, log_outage
from api.services import Services
from api.settings import Settings
from api.tokens import Expected, TokenVerifier
from domain.storage.outages import UNREACHABLE, outage_of
from domain.storage.sessions import ReadOnlyDatabase, UnsafeRole

_READY_SECONDS = 3
#: What a script of another origin may read of an answer besides its body.
_EXPOSED = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "Retry-After")


def utc_now() -> datetime:
    """The clock of a running server."""
    return datetime.now(UTC)


def create_app(
    services: Services, settings: Settings, *, clock: Callable[[], datetime] = utc_now
) -> Starlette:
    """The API over its use cases. In the production profile without IDE, introspection, suggestions and GET."""
    production = settings.profile == "production"
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    schema, metrics = build_schema(production=production), Metrics()
    failures = FailedLogins(settings.failed_logins, clock)
    door = Door(services.database, clock, _tokens(services, settings, clock), failures)
    rates, openings = Rates(settings.rate_limit, clock), Openings(settings.open_streams)
    documents = TrustedDocuments(services.database, clock, only=settings.trusted_documents == "only")
    endpoint = GraphQLEndpoint(
        schema, services, door, rates, openings, documents, clock, allow_get=not production
    )
    socket = GraphQLSocket(schema, services, door, rates, openings, documents, clock, allowed_origins=origins)

    async def graphql(request: Request) -> Response:
        return page() if not production and wants_page(request) else await endpoint(request)

    async def ready(_: Request) -> Response:
        return await _readiness(services)

    routes = [
        Route("/graphql", _AnyMethod(graphql)),
        WebSocketRoute("/graphql", socket),
        Route("/healthz", _healthy),
        Route("/readyz", ready),
        Route("/metrics", metrics.answer),
    ]
    if not production:
        routes += [Route("/", _to_ide), Route("/ide/{name}", asset)]
    return Starlette(routes=routes, middleware=_middleware(metrics, origins))


class _AnyMethod:
    """Takes requests of every method: which are served is for the endpoint to say, in the form its clients read."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)


def _tokens(services: Services, settings: Settings, clock: Callable[[], datetime]) -> TokenVerifier | None:
    """What checks the tokens of the issuer that is configured, if one is."""
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    expected = Expected(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        algorithms=tuple(settings.oidc_algorithms.split(",")),
        leeway=timedelta(seconds=settings.oidc_leeway_seconds),
        tenant_claim=settings.oidc_tenant_claim,
        role_claim=settings.oidc_role_claim,
        personal_data_scope=settings.oidc_personal_data_scope,
    )
    keys = IssuerKeys(settings.oidc_issuer, settings.oidc_jwks_url, clock)
    return TokenVerifier(expected, keys, services.database, clock)


def _middleware(metrics: Metrics, origins: list[str]) -> list[Middleware]:
    around = [Middleware(Observed, metrics=metrics)]
    if origins:
        around.append(
            Middleware(
                CORSMiddleware,
                allow_origins=origins,
                allow_methods=["POST"],
                allow_headers=["authorization", "content-type", "accept"],
                expose_headers=_EXPOSED,
                max_age=600,
            )
        )
    return around


async def _healthy(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _to_ide(_: Request) -> Response:
    return RedirectResponse("/graphql")


async def _readiness(services: Services) -> Response:
    """Whether the database answers and takes writes, from a role that keeps tenants apart."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await services.database.verify_role()
            await services.database.verify_writable()
    except (UnsafeRole, ReadOnlyDatabase) as error:
        log_failure(error)
        return JSONResponse({"status": "unavailable", "database": error.code}, status_code=503)
    except Exception as error:
        outage = UNREACHABLE if isinstance(error, TimeoutError) else outage_of(error)
        if outage is None:
            log_failure(error)
        else:
            log_outage(outage, error)
        return JSONResponse({"status": "unavailable", "database": "does not answer"}, status_code=503)
    return JSONResponse({"status": "ok"})
