"""`backup`, `restore` and `backup-key` on a real home."""

from __future__ import annotations

from storage.store import Store


def test_there_and_back(nightshift, home, tmp_path):
    """With the words that an operator reads, and a second time refused."""
    Store.open(home.ensure().db).close()
    file = tmp_path / "one.backup"
    said = nightshift("backup", file)
    assert (said.code, said.err) == (0, "")
    assert "0 adapters" in said.out
    assert "exists already" in nightshift("backup", file).err
    assert "is whole" in nightshift("restore", file, "--check").out
    assert "already holds a database" in nightshift("restore", file).err
    said = nightshift("restore", file, "--home", tmp_path / "other")
    assert said.code == 0
    assert (tmp_path / "other" / "nightshift.db").exists()


def test_without_a_file_it_goes_to_the_directory_of_the_settings(nightshift, home):
    """Relative to the home; and without such a directory, a file has to be named."""
    Store.open(home.ensure().db).close()
    assert "set directory in section [backup]" in nightshift("backup").err
    home.config.write_text('[backup]\ndirectory = "backups"\n', encoding="utf-8")
    assert nightshift("backup").code == 0
    assert len(list((home.root / "backups").glob("nightshift-*.backup"))) == 1


def test_an_encrypted_one_needs_its_key(nightshift, home, tmp_path):
    """From `backup-key` to `restore`, as the page describes it."""
    Store.open(home.ensure().db).close()
    made = nightshift("backup-key", tmp_path / "key.txt")
    public = made.out.splitlines()[-1]
    assert public.startswith('recipient = "age1')
    assert "never overwritten" in nightshift("backup-key", tmp_path / "key.txt").err
    home.config.write_text(f"[backup]\n{public}\n", encoding="utf-8")
    file = tmp_path / "one.backup"
    assert nightshift("backup", file).code == 0
    assert "--identity" in nightshift("restore", file, "--check").err
    assert nightshift("restore", file, "--check", "--identity", tmp_path / "key.txt").code == 0


def test_a_home_without_a_database_has_nothing_to_back_up(nightshift, tmp_path):
    """A sentence, not an empty archive."""
    said = nightshift("backup", tmp_path / "one.backup")
    assert said.code == 1
    assert "no database" in said.err
    assert not (tmp_path / "one.backup").exists()
