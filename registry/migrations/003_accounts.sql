-- People who sign in at the gateway itself, and what they have let clients do. This file runs once, in one transaction;
-- it never changes after a release. Times are Unix milliseconds.

-- `password` is in the encoded form of Argon2id.
CREATE TABLE users (
  name     TEXT PRIMARY KEY,
  password TEXT NOT NULL,
  created  INTEGER NOT NULL,
  changed  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Browsers in which somebody has signed in. `issuer` is "local" or the name of an Issuer document; `identity` has what
-- that says of the person, as members of a JSON object.
CREATE TABLE sign_ins (
  id       TEXT PRIMARY KEY,
  user     TEXT NOT NULL,
  issuer   TEXT NOT NULL,
  identity TEXT NOT NULL,
  until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each consent whose code was redeemed. `serial` numbers its refresh tokens: an older one than the newest
-- means that somebody else has them too. `ends` is when it is over however often it is renewed; 0: never. `ended` and `why` are set when it is over before its time.
CREATE TABLE grants (
  id          TEXT PRIMARY KEY,
  user        TEXT NOT NULL,
  issuer      TEXT NOT NULL,
  identity    TEXT NOT NULL,
  client      TEXT NOT NULL,
  client_name TEXT NOT NULL,
  resource    TEXT NOT NULL,
  scope       TEXT NOT NULL,
  ends        INTEGER NOT NULL,
  serial      INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  renewed     INTEGER NOT NULL,
  expires     INTEGER NOT NULL,
  ended       INTEGER,
  why         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_by_user ON grants (issuer, user);
CREATE INDEX grants_by_end ON grants (ended);
