"""Bearer tokens of a real issuer on the loopback: who is let in as what, and every way in that must stay shut."""

import base64
import hmac
import json
import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import httpx
import psycopg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import OctKey, RSAKey
from pydantic import ValidationError

from api.http import create_app
from api.issuer_keys import ASKED_AGAIN, KEPT, OUTLASTING
from api.settings import Settings
from api.tokens import MOST_CHARACTERS
from domain.vocabulary import Role
from tests.api.http.clock import Clock
from tests.api.http.issuer import Issuer, elliptic_key, running_issuer
from tests.api.http.sockets import websocket
from tests.api.portfolio import NOW, Api

QUERY = "{ segments { key } }"
AUDIENCE = "dunwell-test"


@pytest.fixture(scope="module")
def issuer_of_module() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(issuer_of_module: Issuer) -> Issuer:
    issuer_of_module.answers = True
    issuer_of_module.asked.clear()
    issuer_of_module.discovery["issuer"] = issuer_of_module.url
    issuer_of_module.publish()
    return issuer_of_module


@pytest.fixture
def app(services, issuer: Issuer, clock: Clock):
    settings = Settings(oidc_issuer=issuer.url, oidc_audience=AUDIENCE, failed_logins=1_000_000)
    return create_app(services, settings, clock=clock)


@pytest_asyncio.fixture(loop_scope="session")
async def client(app) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as client:
        yield client


@pytest.fixture
def claims(issuer: Issuer, owner_url: str, tenant_id: int) -> dict:
    with psycopg.connect(owner_url) as connection:
        row = connection.execute("SELECT key FROM tenant WHERE id = %s", (tenant_id,)).fetchone()
    assert row is not None
    now = int(NOW.timestamp())
    return {
        "iss": issuer.url,
        "aud": AUDIENCE,
        "sub": "user-7",
        "iat": now,
        "exp": now + 300,
        "dunwell_tenant": row[0],
        "dunwell_role": "ADMIN",
    }


async def refusal(client: httpx.AsyncClient, token: str) -> str:
    response = await Api(client, token).post({"query": QUERY})
    assert response.status_code == 401, response.text
    assert response.headers["www-authenticate"] == "Bearer"
    assert "data" not in response.json()
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


async def test_a_token_lets_in_as_its_role_in_its_tenant(
    client, issuer: Issuer, claims, tenant_id: int
) -> None:
    api = Api(client, issuer.token(claims))
    await api.ask("mutation { recordEvents(input: []) { accepted } }")
    log = await api.ask("{ auditLog { edges { node { action subject key role } } } }")
    told = log["auditLog"]["edges"][0]["node"]
    assert told == {"action": "recordEvents", "subject": "user-7", "key": None, "role": "ADMIN"}
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}
    reader = Api(client, issuer.token({**claims, "dunwell_role": ["offline_access", "READER"]}))
    assert (await reader.error("{ auditLog { totalCount } }"))["extensions"]["code"] == "FORBIDDEN"


async def test_reading_personal_data_takes_the_scope(client, issuer: Issuer, claims) -> None:
    name = "{ debtors { edges { node { name } } } }"
    for more in ({}, {"scope": "openid dunwell.personal"}, {"scp": 7}):
        error = await Api(client, issuer.token({**claims, **more})).error(name)
        assert error["extensions"] == {"code": "FORBIDDEN", "field": "Debtor.name"}
    for more in ({"scope": "openid dunwell.personal_data"}, {"scp": ["dunwell.personal_data"]}):
        await Api(client, issuer.token({**claims, **more})).ask(name)


async def test_keys_work_beside_tokens(client, api_of, database, tenant_id: int) -> None:
    key = (await api_of(tenant_id, Role.READER)).key
    await Api(client, key).ask(QUERY)


async def test_a_socket_takes_a_token_too(app, issuer: Issuer, claims) -> None:
    async with websocket(app) as socket:
        payload = {"Authorization": f"Bearer {issuer.token(claims)}"}
        await socket.send({"type": "connection_init", "payload": payload})
        assert (await socket.receive())["type"] == "connection_ack"


def unsigned(claims: dict, **header: object) -> str:
    parts = [json.dumps(part).encode() for part in ({"typ": "JWT", **header}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def hmac_signed(claims: dict, secret: bytes, **header: object) -> str:
    """What the public key as an HS256 secret would sign; libraries refuse to make it."""
    signed = unsigned(claims, alg="HS256", **header)[:-1]
    mac = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def rsa_signed(claims: dict, key: RSAKey, **header: object) -> str:
    """Rightly signed, with a header that libraries refuse to make."""
    signed = unsigned(claims, alg="RS256", kid=key.kid, **header)[:-1]
    signature = key.private_key.sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def changed(token: str, **claims: object) -> str:
    """A token with other claims under the same signature."""
    header, payload, signature = token.split(".")
    stated = json.loads(base64.urlsafe_b64decode(payload + "=="))
    other = base64.urlsafe_b64encode(json.dumps({**stated, **claims}).encode()).rstrip(b"=").decode()
    return f"{header}.{other}.{signature}"


async def test_what_is_not_signed_by_the_issuer_is_refused(client, issuer: Issuer, claims) -> None:
    good = issuer.token(claims)
    for fine in (good, rsa_signed(claims, issuer.key)):
        assert (await Api(client, fine).post({"query": QUERY})).status_code == 200
    public = issuer.key.as_pem(private=False)
    stranger = RSAKey.generate_key(2048, {"kid": issuer.key.kid})
    attacks = {
        "no algorithm": unsigned(claims),
        "none": unsigned(claims, alg="none", kid=issuer.key.kid),
        "None": unsigned(claims, alg="None", kid=issuer.key.kid),
        "none, with the signature of another": unsigned(claims, alg="none") + good.split(".")[2],
        "the public key as a shared secret": hmac_signed(claims, public, kid=issuer.key.kid),
        "a shared secret": issuer.token(
            claims, key=OctKey.generate_key(256), alg="HS256", kid=issuer.key.kid
        ),
        "an algorithm not taken": issuer.token(claims, alg="RS512"),
        "another key of the same name": issuer.token(claims, key=stranger),
        "a key in the header": issuer.token(claims, key=stranger, jwk=stranger.as_dict(private=False)),
        "a key behind an address": issuer.token(claims, key=stranger, jku="http://127.0.0.1:1/keys"),
        "an unknown key": issuer.token(claims, key=stranger, kid="nobody"),
        "another kind of key": issuer.token(claims, key=elliptic_key("x"), alg="ES256", kid=issuer.key.kid),
        "other claims": changed(good, dunwell_role="ADMIN", sub="root"),
        "no signature": good.rsplit(".", 1)[0] + ".",
        "two parts": good.rsplit(".", 1)[0],
        "five parts": good + ".a.b",
        "no text": "é.é.é",
        "an extension nobody knows": rsa_signed(claims, issuer.key, crit=["x"], x=1),
        "oversized": issuer.token({**claims, "more": "x" * MOST_CHARACTERS}),
        "oversized and no token": "a" * 100_000,
    }
    for name, token in attacks.items():
        found = await client.post(
            "/graphql", json={"query": QUERY}, headers={"Authorization": f"Bearer {token}".encode()}
        )
        assert found.status_code == 401, name
        assert found.json()["errors"][0]["extensions"]["code"] in ("TOKEN_INVALID", "UNAUTHENTICATED"), name
    assert issuer.asked["/keys"] == 1, "tokens of strangers do not make us ask again and again"


ODD = [
    None,
    1,
    True,
    "",
    [],
    {},
    "RS256",
    "none",
    "first",
    ["RS256"],
    {"a": 1},
    "\x00",
    "é",
    10**30,
    float("nan"),
]


async def test_whatever_stands_in_a_token_it_is_refused_and_nothing_fails(
    client, issuer: Issuer, claims
) -> None:
    chance = random.Random(7)
    names = ["alg", "kid", "typ", "cty", "crit", "b64", "jwk", "jku", "x5c", "zip", "enc"]
    for _ in range(200):
        header = {name: chance.choice(ODD) for name in chance.sample(names, chance.randint(0, 6))}
        if chance.random() < 0.6:
            header |= {"alg": "RS256", "kid": issuer.key.kid}
        parts = [chance.choice([json.dumps(header).encode(), b"[]", b"null", b"\xff{"])]
        parts += [
            json.dumps(chance.choice([claims, 7, None])).encode(),
            chance.randbytes(chance.choice([0, 64, 256])),
        ]
        token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        assert await refusal(client, token) in ("TOKEN_INVALID", "UNAUTHENTICATED")
    for _ in range(100):
        odd = {name: chance.choice(ODD) for name in chance.sample([*claims, "nbf"], 2)}
        response = await Api(client, issuer.token({**claims, **odd})).post({"query": QUERY})
        assert response.status_code in (200, 401), (odd, response.text)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iss": "https://evil.example"}, "TOKEN_INVALID"),
        ({"iss": None}, "TOKEN_INVALID"),
        ({"aud": "another"}, "TOKEN_INVALID"),
        ({"aud": ["another", "more"]}, "TOKEN_INVALID"),
        ({"aud": None}, "TOKEN_INVALID"),
        ({"exp": int(NOW.timestamp()) - 31}, "TOKEN_EXPIRED"),
        ({"exp": None}, "TOKEN_INVALID"),
        ({"exp": "tomorrow"}, "TOKEN_INVALID"),
        ({"exp": True}, "TOKEN_INVALID"),
        ({"exp": 10**30}, "TOKEN_INVALID"),
        ({"exp": float("inf")}, "TOKEN_INVALID"),
        ({"exp": float("nan")}, "TOKEN_INVALID"),
        ({"nbf": int(NOW.timestamp()) + 31}, "TOKEN_NOT_YET_VALID"),
        ({"iat": int(NOW.timestamp()) + 31}, "TOKEN_NOT_YET_VALID"),
        ({"sub": None}, "TOKEN_INVALID"),
        ({"sub": ""}, "TOKEN_INVALID"),
        ({"sub": 7}, "TOKEN_INVALID"),
        ({"sub": "x" * 256}, "TOKEN_INVALID"),
        ({"sub": "a\x00b"}, "TOKEN_INVALID"),
        ({"dunwell_tenant": "nobody"}, "TOKEN_WITHOUT_TENANT"),
        ({"dunwell_tenant": None}, "TOKEN_WITHOUT_TENANT"),
        ({"dunwell_tenant": 1}, "TOKEN_WITHOUT_TENANT"),
        ({"dunwell_tenant": "a\x00"}, "TOKEN_WITHOUT_TENANT"),
        ({"dunwell_role": None}, "TOKEN_WITHOUT_ROLE"),
        ({"dunwell_role": "KING"}, "TOKEN_WITHOUT_ROLE"),
        ({"dunwell_role": "admin"}, "TOKEN_WITHOUT_ROLE"),
        ({"dunwell_role": ["READER", "ADMIN"]}, "TOKEN_WITHOUT_ROLE"),
        ({"dunwell_role": {"ADMIN": True}}, "TOKEN_WITHOUT_ROLE"),
    ],
    ids=str,
)
async def test_a_claim_that_is_not_as_expected(client, issuer: Issuer, claims, change, code: str) -> None:
    stated = {name: value for name, value in {**claims, **change}.items() if value is not None}
    assert await refusal(client, issuer.token(stated)) == code


async def test_clocks_may_differ_a_little_and_a_token_ends(
    client, issuer: Issuer, claims, clock: Clock
) -> None:
    now = int(NOW.timestamp())
    early = issuer.token({**claims, "nbf": now + 29, "iat": now + 29})
    await Api(client, early).ask(QUERY)
    api = Api(client, issuer.token({**claims, "exp": now + 2}))
    await api.ask(QUERY)
    clock.now += timedelta(seconds=31)
    await api.ask(QUERY)  # what is remembered ends with the token, leeway and all
    clock.now += timedelta(seconds=1)
    assert await refusal(client, api.key) == "TOKEN_EXPIRED"


async def test_keys_of_the_issuer_may_change(client, issuer: Issuer, claims, clock: Clock) -> None:
    lasting = {**claims, "exp": claims["exp"] + 86_400}
    former = issuer.key
    await Api(client, issuer.token(lasting)).ask(QUERY)
    issuer.new_key("second")
    assert await refusal(client, issuer.token(lasting)) == "TOKEN_INVALID"  # asked a moment ago
    clock.now += ASKED_AGAIN
    await Api(client, issuer.token(lasting)).ask(QUERY)
    assert issuer.asked["/keys"] == 2
    assert await refusal(client, issuer.token(lasting, key=former)) == "TOKEN_INVALID"
    clock.now += KEPT
    issuer.published = []  # withdrawn: believed for ten minutes at most
    assert await refusal(client, issuer.token({**lasting, "jti": "1"})) == "TOKEN_INVALID"


async def test_without_the_issuer_its_keys_are_believed_for_a_time(
    client, issuer: Issuer, claims, clock: Clock
) -> None:
    lasting = {**claims, "exp": claims["exp"] + 86_400 * 2}
    issuer.answers = False
    response = await Api(client, issuer.token(lasting)).post({"query": QUERY})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert response.json()["errors"][0]["extensions"]["code"] == "ISSUER_UNREACHABLE"
    issuer.answers = True
    clock.now += ASKED_AGAIN
    await Api(client, issuer.token(lasting)).ask(QUERY)
    issuer.answers = False
    clock.now += OUTLASTING
    await Api(client, issuer.token({**lasting, "jti": "1"})).ask(QUERY)
    clock.now += ASKED_AGAIN
    response = await Api(client, issuer.token({**lasting, "jti": "2"})).post({"query": QUERY})
    assert response.status_code == 503


async def test_an_issuer_that_speaks_of_another_is_not_believed(client, issuer: Issuer, claims) -> None:
    issuer.discovery["issuer"] = "https://another.example"
    response = await Api(client, issuer.token(claims)).post({"query": QUERY})
    assert response.status_code == 503
    assert "/keys" not in issuer.asked


async def test_a_published_secret_or_short_key_signs_nothing(client, issuer: Issuer, claims) -> None:
    secret = OctKey.generate_key(256, {"kid": "secret"})
    issuer.published += [dict(secret.as_dict()), {"kty": "RSA", "kid": "broken"}, 7, {"kty": "??"}]  # type: ignore[list-item]
    assert await refusal(client, issuer.token(claims, key=secret, alg="HS256")) == "TOKEN_INVALID"
    await Api(client, issuer.token(claims)).ask(QUERY)


async def test_tokens_are_nobodys_unless_an_issuer_is_configured(services, issuer: Issuer, claims) -> None:
    off = create_app(services, Settings(), clock=lambda: NOW)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=off), base_url="http://dunwell.test"
    ) as client:
        assert await refusal(client, issuer.token(claims)) == "UNAUTHENTICATED"
    assert issuer.asked == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_issuer": "https://id.example"},
        {"oidc_issuer": "http://id.example", "oidc_audience": "a"},
        {"oidc_issuer": "ftp://127.0.0.1", "oidc_audience": "a"},
        {
            "oidc_issuer": "https://id.example",
            "oidc_audience": "a",
            "oidc_jwks_url": "http://id.example/keys",
        },
        {"oidc_algorithms": "none"},
        {"oidc_algorithms": "RS256,HS256"},
        {"oidc_algorithms": ""},
        {"oidc_leeway_seconds": 3600},
    ],
    ids=str,
)
def test_settings_that_would_open_the_door_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)
