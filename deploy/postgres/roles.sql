-- Creates the roles and the databases of the service, for psql as a superuser.
--
-- The image of PostgreSQL runs this file once, on an empty volume. It may be run again on a server
-- with data: it then corrects owners, rights and passwords.
--
-- | role             | used by                 | rights                                            |
-- |------------------|-------------------------|---------------------------------------------------|
-- | acoustid_owner   | `acoustid migrate`,     | owns the four databases and all tables in them    |
-- |                  | `musicbrainz load`      |                                                   |
-- | acoustid_service | front ends, workers,    | reads and writes rows; creates nothing; only      |
-- |                  | commands                | reads the database `musicbrainz`                  |
--
-- The superuser loses its password. It can then log in only where pg_hba.conf asks for none (`peer`,
-- `trust`): in the image on the Unix socket and from 127.0.0.1, both within the container. On your own
-- server, check that pg_hba.conf has no other such line.
--
-- The variable `secrets` is the directory with the passwords. They are read by psql itself, so they
-- are not in the arguments of a process: psql -v secrets=DIRECTORY -f roles.sql

\set ON_ERROR_STOP on
\if :{?secrets}
\else
  \set secrets /run/secrets
\endif
\set owner_password `cat :'secrets'/database_owner_password`
\set service_password `cat :'secrets'/database_password`

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['acoustid_owner', 'acoustid_service']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- The server's log must not have the passwords, even if it logs statements or errors.
SET log_statement = none;
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;
ALTER ROLE acoustid_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  PASSWORD :'owner_password';
ALTER ROLE acoustid_service LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  PASSWORD :'service_password';

SELECT format('CREATE DATABASE %I ENCODING ''UTF8''', name)
FROM unnest(ARRAY['acoustid_app', 'acoustid_fingerprint', 'acoustid_ingest', 'musicbrainz']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name)
\gexec

REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;

\set rights 'SELECT, INSERT, UPDATE, DELETE'
\connect acoustid_app
\ir each_database/rights.sql
\connect acoustid_fingerprint
\ir each_database/rights.sql
\connect acoustid_ingest
\ir each_database/rights.sql

\set rights 'SELECT'
\connect musicbrainz
\ir each_database/rights.sql

ALTER ROLE CURRENT_USER PASSWORD NULL;
