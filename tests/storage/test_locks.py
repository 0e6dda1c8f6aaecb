"""Several connections in one process and other processes beside it: nobody takes itself for the last one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from storage import encryption
from storage.store import Store

OTHER = """
import sys
from pathlib import Path
from storage.store import Store
with Store.open(Path(sys.argv[1])) as store:
    store.audit(None, "operator", "other", "said")
    print(len(store.audit_search(limit=1000)))
"""


def another_process(path):
    """What another process finds after it has written, before it closes."""
    return int(subprocess.run([sys.executable, "-c", OTHER, str(path)], capture_output=True, check=True).stdout)


@pytest.mark.parametrize("look", ["a second store", "is_plain"])
def test_a_process_keeps_its_locks_when_it_looks_at_the_file(db_path, look):
    """Else the other process removes the log that this one goes on writing to, and the database is damaged."""
    with Store.open(db_path) as first:
        first.audit(None, "operator", "first", "said")
        if look == "is_plain":
            assert encryption.is_plain(db_path)
        else:
            Store.open(db_path).close()
        log = db_path.with_name(f"{db_path.name}-wal")
        before = log.stat().st_ino
        assert another_process(db_path) == 2
        assert log.exists()
        assert log.stat().st_ino == before
        first.audit(None, "operator", "first", "said")
        assert another_process(db_path) == 4
        assert len(first.audit_search(limit=1000)) == 4
