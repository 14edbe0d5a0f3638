"""The project as a clone finds it: links that lead somewhere, commands that exist, locks that lock."""

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from graphql import FieldNode, OperationDefinitionNode, build_schema, parse, validate

from api.settings import Settings
from tests.conftest import ROOT

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]*)(#[^)\s]*)?\)")
_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
PAGES = sorted(path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))


def tracked() -> list[Path]:
    """Every file that a clone has."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def anchors_of(page: Path) -> set[str]:
    """What links to headings of a page end in."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL), re.MULTILINE
    )
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [match.groups() for match in _LINK.finditer(text_of(page)) if "://" not in match[0]]
    missing = [
        (target, anchor)
        for target, anchor in targets
        if not (page.parent / (target or page)).exists()
        or (anchor and anchor not in anchors_of(page.parent / (target or page)))
    ]
    assert missing == []


def test_commands_of_the_pages_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        asked = set(
            re.findall(
                r"\bmake ([a-z]+)\b", "\n".join(re.findall(r"`[^`]+`|```.*?```", text_of(page), re.DOTALL))
            )
        )
        assert asked <= targets, page


def test_the_queries_of_the_readme_are_answered_by_the_schema() -> None:
    page = (ROOT / "README.md").read_text()
    schema = build_schema((ROOT / "schema.graphql").read_text())
    asked = re.findall(r"```graphql\n(.*?)```\n\n```json\n(.*?)```", page, re.DOTALL)
    assert len(asked) == 3
    for query, answer in asked:
        document = parse(query)
        assert validate(schema, document) == []
        operation = document.definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        fields = [
            field.name.value for field in operation.selection_set.selections if isinstance(field, FieldNode)
        ]
        assert list(json.loads(answer)) == fields


def test_every_requirement_is_locked_with_hashes_and_without_addresses() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text().splitlines()
        pinned = [line for line in lines if line and not line.startswith((" ", "#"))]
        assert all("==" in line for line in pinned)
        assert not any("://" in line or "index-url" in line for line in lines)
        assert sum("--hash=sha256:" in line for line in lines) >= len(pinned)


def test_the_lock_covers_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locks = {"requirements.txt": project["dependencies"]}
    locks["requirements-dev.txt"] = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for name, asked in locks.items():
        locked = {line.split("==")[0].split("[")[0] for line in (ROOT / name).read_text().splitlines()}
        wanted = {re.split(r"[\s\[~>=;<!]", line)[0] for line in asked}
        assert wanted <= locked, name


def test_a_clone_needs_nothing_beside_it() -> None:
    this = Path(__file__)
    places = re.compile(r"\.\./shared|(^|[^A-Za-z0-9_.])/(home|root|work|workspace|mnt|Users)/")
    for path in tracked():
        if path != this:
            assert not places.search(text_of(path)), path


def test_no_file_names_a_package_index() -> None:
    hosts = re.compile(r"(pypi|pythonhosted|npmjs|crates)\.(org|com|io)|--(extra-)?index-url")
    this = Path(__file__)
    named = [
        path for path in tracked() if path != this and path.suffix != ".gz" and hosts.search(text_of(path))
    ]
    assert named == [], named


def test_ci_runs_the_tests() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("room", ["api", "domain", "ml", "migrations", "bench", "tests"])
def test_no_function_is_longer_than_sixty_lines(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= 60
    ]
    assert found == []


def test_settings_and_pages_name_each_other() -> None:
    named = {name for page in PAGES for name in re.findall(r"\bDUNWELL_[A-Z_]+\b", text_of(page))}
    assert named == {"DUNWELL_" + name.upper() for name in Settings.model_fields}
    tables = text_of(ROOT / "docs" / "operations.md") + text_of(ROOT / "docs" / "security.md")
    for name, field in Settings.model_fields.items():
        default = re.search(rf"^\| `DUNWELL_{name.upper()}`.*? \| `?([^|`]+)`? \|", tables, re.MULTILINE)
        assert default, name
        assert field.default in (None, "") or default[1] == str(field.default), name


#: Names of errors of which nobody outside hears: others speak for them, or the schema refuses what they are about.
_INWARD = {"FilterError", "ForecastError"}
#: The code of a class whose heirs have codes of their own
_UNTOLD = {"ARTEFACT_UNUSABLE"}


def codes_told() -> set[str]:
    """Codes by which the product says that something cannot be done, as its source has them."""
    found = set()
    for room in ("api", "domain", "ml"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(text_of(path))):
                if isinstance(node, ast.ClassDef):
                    values = [
                        each.value
                        for each in node.body
                        if isinstance(each, ast.Assign)
                        and (
                            node.name in ("ErrorCode", "RejectCode") or ast.unparse(each.targets[0]) == "code"
                        )
                    ]
                elif isinstance(node, ast.Call) and node.args:
                    name = ast.unparse(node.func).rpartition(".")[2]
                    refuses = re.search(
                        r"Error$|Refused$|^(Failure|Outage|CannotLearn|NotEnoughHistory|Un[a-z]+)", name
                    )
                    values = node.args[:2] if refuses and name not in _INWARD else []
                else:
                    continue
                found |= {
                    value.value
                    for value in values
                    if isinstance(value, ast.Constant) and _CODE.fullmatch(str(value.value))
                }
    return found - _UNTOLD


def test_every_code_stands_on_a_page() -> None:
    pages = "\n".join(text_of(page) for page in (ROOT / "docs").glob("*.md"))
    told = codes_told()
    assert len(told) > 120
    assert {code for code in told if f"`{code}`" not in pages} == set()


def test_every_code_of_the_pages_exists() -> None:
    source = "\n".join(
        text_of(path) for room in ("api", "domain", "ml") for path in (ROOT / room).rglob("*.py")
    )
    settings = {"FORWARDED_ALLOW_IPS"} | {"DUNWELL_" + name.upper() for name in Settings.model_fields}
    for page in (ROOT / "docs").glob("*.md"):
        named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", text_of(page)))
        gone = {word for word in named - settings if not re.search(rf"\b{word}\b", source)}
        assert gone == set(), page
