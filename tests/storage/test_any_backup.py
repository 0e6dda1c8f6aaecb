"""Whatever an archive holds, `restore` takes it or says in a sentence that it is no whole backup."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import backup
from storage.backup_errors import AgeKeyInvalid, AgeKeyMissing, BackupDamaged
from storage.files import age
from storage.files.home import Home
from storage.store import Store
from tests.foreign import changed_bytes, changed_fields, names, values


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    home = Home(folder / "home").ensure()
    Store.open(home.db).close()
    backup.make(home, folder / "b.nightshift")
    return (folder / "b.nightshift").read_bytes()


@pytest.fixture(scope="module")
def sealed(whole, tmp_path_factory):
    """The same, encrypted, and the key."""
    folder = tmp_path_factory.mktemp("sealed")
    public = age.make_key(folder / "key")
    (folder / "plain").write_bytes(whole)
    age.encrypt(folder / "plain", folder / "sealed", public)
    return (folder / "sealed").read_bytes(), folder / "key"


def verified(folder, content, identity=None):
    (folder / "archive").write_bytes(content)
    with suppress(BackupDamaged, AgeKeyInvalid, AgeKeyMissing):
        backup.verify(folder / "archive", identity=identity)


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_an_archive_with_a_few_wrong_bytes(whole, sealed, tmp_path_factory, data):
    """In the packed bytes, and in the headers inside."""
    folder = tmp_path_factory.mktemp("any")
    verified(folder, data.draw(changed_bytes(whole)))
    tar = gzip.decompress(whole)
    verified(folder, data.draw(changed_bytes(sealed[0])), sealed[1])
    verified(folder, gzip.compress(data.draw(changed_bytes(tar[:2048])) + tar[2048:], 1))


MEMBERS = (
    st.sampled_from(["nightshift.db", "nightshift.toml", "manifest.json", "adapters/a/x", "adapters/a/x/y"]) | names
)


@settings(deadline=None, max_examples=80)
@given(
    members=st.lists(st.tuples(MEMBERS, st.binary(max_size=8), st.sampled_from(list(b"0125gxLK"))), max_size=5),
    manifest=changed_fields({"format": 1, "files": {"nightshift.db": "0"}})
    | values.map(json.dumps).map(str.encode)
    | st.dictionaries(MEMBERS, values, max_size=3).map(
        lambda files: json.dumps({"format": 1, "files": files}).encode()
    ),
)
def test_an_archive_of_any_members_and_any_manifest(tmp_path_factory, members, manifest):
    """Names twice, names of other places, links, devices, headers of the format, a manifest of anything."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT, errors="surrogatepass") as tar:
        for name, content, kind in [*members, ("manifest.json", manifest, ord("0"))]:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), bytes([kind])
            with suppress(ValueError):
                tar.addfile(info, io.BytesIO(content))
    verified(tmp_path_factory.mktemp("members"), packed.getvalue())
