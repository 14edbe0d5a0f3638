"""Verbs about trusted documents: documents add, documents list, documents remove."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import edge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.storage.documents import StoredDocument

documents = typer.Typer(help="GraphQL documents that clients may name by hash.", no_args_is_help=True)
edge.app.add_typer(documents, name="documents")


@documents.command("add")
def add(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            exists=True,
            dir_okay=False,
            help="A document (.graphql), or a manifest (.json) of many: hash to text, or Apollo's.",
        ),
    ],
    tenant: edge.TenantOption,
) -> None:
    """Trust documents; all of them, or none when one does not fit the schema. Prints the id of each."""
    from domain.audit import operator
    from domain.storage.documents import add_documents, sha256_of

    texts = [text for file in files for text in _texts(file)]
    _check(texts)
    with edge.server() as server:

        async def trust() -> int:
            async with (
                edge.tenant(server, tenant) as (database, tenant_id),
                database.transaction(tenant_id) as connection,
            ):
                return await add_documents(connection, tenant_id, texts, by=operator(datetime.now(UTC)))

        added = edge.wait_for(trust())
    for text in dict.fromkeys(texts):
        edge.out.print(f"sha256:{sha256_of(text).hex()}  {_names(text)}", markup=False)
    edge.err.print(f"{added} new, {len(set(texts)) - added} trusted already.")


@documents.command("list")
def list_all(tenant: edge.TenantOption) -> None:
    """Every trusted document of a tenant: its id, when it was added, and the names of its operations."""
    from domain.storage.documents import list_documents

    with edge.server() as server:

        async def find() -> list[StoredDocument]:
            async with (
                edge.tenant(server, tenant) as (database, tenant_id),
                database.transaction(tenant_id) as connection,
            ):
                return await list_documents(connection, tenant_id)

        for one in edge.wait_for(find()):
            added = f"{one.added_at.astimezone(UTC):%Y-%m-%d}"
            edge.out.print(f"sha256:{one.sha256.hex()}  {added}  {_names(one.text)}", markup=False)


@documents.command("remove")
def remove(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="As listed: sha256:...")],
    tenant: edge.TenantOption,
) -> None:
    """Trust a document no longer; servers refuse it within five seconds."""
    from api.http.requests import sha256_in
    from domain.audit import operator
    from domain.storage.documents import remove_document

    digest = sha256_in(identifier)
    if digest is None:
        raise typer.BadParameter(
            f"{identifier!r} is no id; write it as listed: sha256: and 64 hex digits.", param_hint="'ID'"
        )
    with edge.server() as server:

        async def forget() -> bool:
            async with (
                edge.tenant(server, tenant) as (database, tenant_id),
                database.transaction(tenant_id) as connection,
            ):
                return await remove_document(connection, tenant_id, digest, by=operator(datetime.now(UTC)))

        if not edge.wait_for(forget()):
            raise edge.CommandError("DOCUMENT_NOT_FOUND", f"Tenant {tenant} trusts no document {identifier}.")
    edge.out.print(f"Tenant {tenant} trusts {identifier} no longer.", markup=False)


def _texts(file: Path) -> Iterator[str]:
    """The documents of a file; a manifest's must have the hashes it names them by."""
    from domain.storage.documents import sha256_of

    try:
        content = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise edge.CommandError("BAD_DOCUMENT", f"{file} is not in UTF-8.") from None
    if file.suffix.lower() != ".json":
        yield content
        return
    for name, text in _manifest(file, content).items():
        if not isinstance(text, str) or name.removeprefix("sha256:") != sha256_of(text).hex():
            raise edge.CommandError(
                "DOCUMENT_HASH_DIFFERS", f"{file}: {name} is not the SHA-256 of its document."
            )
        yield text


def _manifest(file: Path, content: str) -> dict[str, Any]:
    try:
        given = json.loads(content)
        operations = given.get("operations")
        if isinstance(operations, list):
            return {str(one["id"]): one["body"] for one in operations}
        return dict(given)
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        raise edge.CommandError("BAD_DOCUMENT", f"{file} is no manifest of documents.") from None


def _check(texts: Sequence[str]) -> None:
    """Refuse what could not be run: another schema, a slip, or larger than served."""
    from api.graphql.limits import Documents
    from api.graphql.schema import build_schema

    schema, checked = build_schema()._schema, Documents(production=False)
    for text in texts:
        errors = checked.prepare(schema, text).errors
        if errors:
            where = f" (line {errors[0].locations[0].line})" if errors[0].locations else ""
            raise edge.CommandError("BAD_DOCUMENT", f"{_names(text)}{where}: {errors[0].message}")


def _names(text: str) -> str:
    from graphql import GraphQLError, OperationDefinitionNode, parse

    try:
        definitions = parse(text).definitions
    except GraphQLError:
        return "a document"
    names = [
        each.name.value if each.name else "an unnamed operation"
        for each in definitions
        if isinstance(each, OperationDefinitionNode)
    ]
    return ", ".join(names)
