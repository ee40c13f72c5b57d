"""Writes the files of a small image for the tests to standard output, as a tar for `docker import`.

    image.py BUSYBOX             busybox alone
    image.py BUSYBOX --python    and this Python with the packages beside it, all at their own paths

Run by the Python of a virtual environment, the image has that environment: its interpreter, the standard
library, the packages, and the shared libraries that they need.
"""

import os
import subprocess
import sys
import sysconfig
import tarfile

# Large, and needed by nothing that logs metrics.
LEFT_OUT = {"pyarrow", "scipy", "scipy.libs", "sklearn", "matplotlib", "fontTools", "pip", "setuptools", "test", "idlelib", "tkinter"}


def root_owned(member):
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def python_files(member):
    parts = set(os.path.normpath(member.name).split(os.sep))
    left_out = parts & LEFT_OUT or ("dist-packages" in parts)
    return None if left_out else root_owned(member)


def shared_libraries(directories):
    """The system's libraries that the programs and extensions below these directories are linked with."""
    files = [os.path.realpath(sys.executable)]
    for directory in directories:
        for root, names, found in os.walk(directory):
            names[:] = [name for name in names if name not in LEFT_OUT]
            files += [os.path.join(root, name) for name in found if ".so" in name]
    listed = subprocess.run(["ldd", *files], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    libraries = set()
    for line in listed.splitlines():
        words = [word for word in line.split() if word.startswith("/") and not word.endswith(":")]
        libraries.update(word for word in words if os.path.isfile(word))
    return {library for library in libraries if not library.startswith(tuple(directories))}


def add_link(tar, name, target):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    tar.addfile(member)


def add_python(tar):
    standard = sysconfig.get_path("stdlib")
    # Links on the way from the environment to the interpreter.
    chain = [sys.executable]
    while os.path.islink(chain[-1]):
        target = os.readlink(chain[-1])
        chain.append(os.path.normpath(os.path.join(os.path.dirname(chain[-1]), target)))
    added = set()
    for path in chain + [os.path.join(sys.prefix, "pyvenv.cfg")]:
        tar.add(path, filter=root_owned)
        added.add(path)
    packages = sysconfig.get_path("purelib")
    for directory in {standard, packages}:
        tar.add(directory, filter=python_files if directory == packages else without_site_packages)
    for library in sorted(shared_libraries([standard, packages])):
        # Under the name by which it is looked for.
        member = tar.gettarinfo(os.path.realpath(library), library)
        with open(os.path.realpath(library), "rb") as file:
            tar.addfile(root_owned(member), file)


def without_site_packages(member):
    return None if "site-packages" in member.name.split(os.sep) else python_files(member)


def main():
    busybox = sys.argv[1]
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", bufsize=1 << 20) as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, mode
            tar.addfile(member)
        tar.add(busybox, "bin/busybox", filter=root_owned)
        applets = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        for applet in applets:
            if applet != "busybox":
                add_link(tar, f"bin/{applet}", "busybox")
        if "--python" in sys.argv:
            add_python(tar)


if __name__ == "__main__":
    main()
