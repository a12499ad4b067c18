-- The registry: documents with their origin, API keys, last known catalogues, sealed secrets.
-- Times are Unix milliseconds. This file runs once, in one transaction; it never changes after a release.

-- Single values: "generation" grows with every committed change, "vault.master" is the master key's fingerprint.
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('generation', '0');

-- What an apply was given, once per apply; secret values are never in it.
CREATE TABLE sources (
  id      INTEGER PRIMARY KEY,
  origin  TEXT NOT NULL,
  text    TEXT NOT NULL,
  applied INTEGER NOT NULL
) STRICT;

-- `json` is the canonical form. `generation` is the registry's generation of this document's last change.
CREATE TABLE documents (
  kind       TEXT NOT NULL,
  name       TEXT NOT NULL,
  json       TEXT NOT NULL,
  generation INTEGER NOT NULL,
  origin     TEXT NOT NULL,
  source     INTEGER REFERENCES sources (id),
  updated    INTEGER NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX documents_by_source ON documents (source);

-- `hash` is the SHA-256 of the key's whole text, as hex; the text itself is stored nowhere.
CREATE TABLE keys (
  id      TEXT PRIMARY KEY,
  hash    TEXT NOT NULL UNIQUE,
  agent   TEXT NOT NULL,
  note    TEXT NOT NULL,
  admin   INTEGER NOT NULL CHECK (admin IN (0, 1)),
  created INTEGER NOT NULL,
  expires INTEGER,
  revoked INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_by_agent ON keys (agent);

-- Last known good lists of one upstream, as JSON that came from it.
CREATE TABLE catalogues (
  server      TEXT PRIMARY KEY,
  tools       TEXT NOT NULL,
  prompts     TEXT NOT NULL,
  resources   TEXT NOT NULL,
  templates   TEXT NOT NULL,
  server_info TEXT NOT NULL,
  fetched     INTEGER NOT NULL
) STRICT;

-- The vault: entries are sealed under a data key, data keys under the master key, which is not in this file.
CREATE TABLE data_keys (
  id      INTEGER PRIMARY KEY,
  sealed  BLOB NOT NULL,
  created INTEGER NOT NULL
) STRICT;

CREATE TABLE vault (
  name     TEXT PRIMARY KEY,
  data_key INTEGER NOT NULL REFERENCES data_keys (id),
  sealed   BLOB NOT NULL
) STRICT, WITHOUT ROWID;
