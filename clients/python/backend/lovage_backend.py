"""Builds this package with the standard library alone (PEP 517), so that ``pip install`` fetches nothing."""

import base64
import hashlib
import io
import pathlib
import re
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "lovage/_version.py").read_text("utf-8"))[1]
NAME = "lovage-" + VERSION
WHEEL = NAME + "-py3-none-any.whl"
INFO = NAME + ".dist-info"

METADATA = f"""\
Metadata-Version: 2.1
Name: lovage
Version: {VERSION}
Summary: Client of Lovage: asynchronous tasks on Cloudflare Workers
License: MIT
Requires-Python: >=3.9
Classifier: Typing :: Typed
Description-Content-Type: text/markdown

{(ROOT / "README.md").read_text("utf-8")}"""

ABOUT_WHEEL = "Wheel-Version: 1.0\nGenerator: lovage_backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    modules = [path for path in sorted((ROOT / "lovage").iterdir()) if path.is_file()]
    return _wheel(wheel_directory, {f"lovage/{path.name}": path.read_bytes() for path in modules})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {"lovage.pth": f"{ROOT}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    name = NAME + ".tar.gz"
    with tarfile.open(pathlib.Path(sdist_directory, name), "w:gz") as archive:
        for folder, pattern in (("", "*.*"), ("lovage", "*"), ("backend", "*.py"), ("tests", "*.py")):
            for path in sorted((ROOT / folder).glob(pattern)):
                if path.is_file():
                    archive.add(path, f"{NAME}/{path.relative_to(ROOT).as_posix()}")
        about = METADATA.encode()
        member = tarfile.TarInfo(f"{NAME}/PKG-INFO")
        member.size = len(about)
        archive.addfile(member, io.BytesIO(about))
    return name


def _wheel(directory, files):
    files = dict(files)
    files[f"{INFO}/METADATA"] = METADATA.encode()
    files[f"{INFO}/WHEEL"] = ABOUT_WHEEL.encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{INFO}/RECORD"] = f"{record}{INFO}/RECORD,,\n".encode()
    with zipfile.ZipFile(pathlib.Path(directory, WHEEL), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return WHEEL


def _digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
