-- Tokens that programs are given are grants too: minted, exchanged for another token, or for what proves who a program is.
-- This file runs once, in one transaction; it never changes after a release. Times are Unix milliseconds.

-- `how` it came about: "consent" of a person, "minted", "exchange", "client_credentials", "jwt_bearer", "id_jag". `actor` acts for `user`;
-- `tools` is a JSON array of the only tools that it is good for, empty: no such bound. `above` has what it stands on, a space between two:
-- ids of grants, and "key:ID" for API keys. Where `issuer` is empty, `user` is an agent.
ALTER TABLE grants ADD COLUMN how TEXT NOT NULL DEFAULT 'consent';
ALTER TABLE grants ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN tools TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN above TEXT NOT NULL DEFAULT '';

CREATE INDEX grants_by_expiry ON grants (expires);

-- Assertions that were taken, until they expire: each is good once. `id` is the SHA-256 of its `jti`, as hex.
CREATE TABLE assertions (
  issuer TEXT NOT NULL,
  id     TEXT NOT NULL,
  until  INTEGER NOT NULL,
  PRIMARY KEY (issuer, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX assertions_by_end ON assertions (until);
