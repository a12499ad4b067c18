-- What servers offer, remembered: one row per tool, prompt and resource template, with the version that is approved and
-- the one that the server offers now. This file runs once, in one transaction; it never changes after a release.

-- A hash is the SHA-256 of the definition's canonical form (RFC 8785), as hex; `..._object` is that form. An empty
-- `approved` means never approved, an empty `current` that the server does not offer it now, `rejected` has
-- the hashes of versions that a person rejected, a space between two. `changes` counts how often `current` became another version, and is what a server that
-- changes to and fro gives itself away by.
CREATE TABLE definitions (
  server          TEXT NOT NULL,
  sort            TEXT NOT NULL CHECK (sort IN ('tool', 'prompt', 'template')),
  name            TEXT NOT NULL,
  approved        TEXT NOT NULL,
  approved_object TEXT NOT NULL,
  current         TEXT NOT NULL,
  current_object  TEXT NOT NULL,
  rejected        TEXT NOT NULL,
  first_seen      INTEGER NOT NULL,
  changed         INTEGER NOT NULL,
  changes         INTEGER NOT NULL,
  decided         INTEGER NOT NULL,
  decided_by      TEXT NOT NULL,
  rejected_by     TEXT NOT NULL,
  PRIMARY KEY (server, sort, name)
) STRICT, WITHOUT ROWID;

-- When the definitions of a server were recorded for the first time; 0: not yet. What comes later is later.
ALTER TABLE catalogues ADD COLUMN recorded INTEGER NOT NULL DEFAULT 0;
