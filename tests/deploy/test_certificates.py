"""make-certificates.sh: who belongs to an authority, who does not, and that nothing is overwritten."""

import stat

import pytest

MEMBERS = ("scheduler", "alice", "bob", "me")
FILES = ("ca.pem", "cert.pem", "key.pem")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("purpose", ["sslclient", "sslserver"])
@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_belongs_to_the_authority_on_both_sides_of_a_connection(certificates, openssl, name, purpose):
    folder = certificates / name
    check = ("verify", "-x509_strict", "-purpose", purpose, "-CAfile", folder / "ca.pem", folder / "cert.pem")
    assert openssl(*check)[0] == 0


def test_a_member_of_another_authority_does_not_belong(certificates, openssl):
    status, said = openssl("verify", "-CAfile", certificates / "authority/ca.pem", certificates / "stranger/cert.pem")
    assert status != 0
    assert "stranger" in said


def test_a_member_cannot_sign_for_others(certificates, openssl):
    _, said = openssl("x509", "-in", certificates / "alice/cert.pem", "-noout", "-text")
    assert "CA:FALSE" in said
    assert "CN = alice" in said or "CN=alice" in said
    assert "DNS:alice" in said
    assert "prime256v1" in said


def test_keys_are_for_their_owner_only(certificates):
    keys = [*certificates.rglob("key.pem"), *certificates.rglob("ca-key.pem")]
    assert len(keys) == len(MEMBERS) + 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_a_member_gets_three_files_and_not_the_key_of_the_authority(certificates):
    for name in MEMBERS:
        assert sorted(path.name for path in (certificates / name).iterdir()) == sorted(FILES)
    assert (certificates / "me/ca.pem").read_bytes() == (certificates / "authority/ca.pem").read_bytes()


def test_an_authority_that_is_there_signs_those_who_come_later(certificates, script, openssl, tmp_path):
    before = contents(certificates / "authority")
    done = script("make-certificates.sh", "--days", 30, certificates / "authority", tmp_path / "10.0.0.7")
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(certificates / "authority") == before
    cert = tmp_path / "10.0.0.7/cert.pem"
    assert openssl("verify", "-CAfile", certificates / "me/ca.pem", cert)[0] == 0
    assert openssl("x509", "-in", cert, "-noout", "-checkend", 29 * 86400)[0] == 0
    assert openssl("x509", "-in", cert, "-noout", "-checkend", 31 * 86400)[0] == 1
    assert "IP Address:10.0.0.7" in openssl("x509", "-in", cert, "-noout", "-text")[1]


@pytest.mark.parametrize("there", FILES)
def test_an_existing_file_stays_and_nothing_else_is_made(certificates, script, tmp_path, there):
    old = tmp_path / "old"
    old.mkdir()
    (old / there).write_text("mine")
    done = script("make-certificates.sh", tmp_path / "authority", tmp_path / "new", old)
    assert done.returncode == 2
    assert f"{old / there} is there already" in done.stderr
    assert contents(tmp_path) == {(old / there).relative_to(tmp_path): b"mine"}


def test_one_folder_is_not_filled_twice(certificates, script, tmp_path):
    done = script("make-certificates.sh", certificates / "authority", tmp_path / "x", tmp_path / "x")
    assert done.returncode == 2
    assert "is there already" in done.stderr
    done = script("make-certificates.sh", tmp_path / "y", tmp_path / "y")
    assert done.returncode == 2
    assert not (tmp_path / "y/cert.pem").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "make-certificates.sh CA_FOLDER FOLDER..."),
        (("authority",), "make-certificates.sh CA_FOLDER FOLDER..."),
        (("--days", "soon", "authority", "x"), "--days is a number of days, not 'soon'"),
        (("--days",), "--days needs a number"),
        (("--day", "3", "authority", "x"), "unknown option '--day'"),
        (("authority", "a b"), "a b: a name is made of letters"),
        (("half", "x"), "half has ca.pem and no ca-key.pem"),
        (("other-half", "x"), "other-half has ca-key.pem and no ca.pem"),
    ],
)
def test_bad_arguments_are_refused_with_the_reason(certificates, script, tmp_path, monkeypatch, args, said):
    monkeypatch.chdir(tmp_path)
    for folder, file in (("half", "ca.pem"), ("other-half", "ca-key.pem")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).touch()
    done = script("make-certificates.sh", *args)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "x").exists()


def test_without_openssl_it_says_what_to_install(script, tmp_path):
    done = script("make-certificates.sh", tmp_path / "a", tmp_path / "b", OPENSSL="no-such-openssl")
    assert done.returncode == 2
    assert "no-such-openssl not found: install OpenSSL" in done.stderr
