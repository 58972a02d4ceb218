-- Gives the current database to acoustid_owner, and rights to its rows to acoustid_service.
-- `roles.sql` includes this file. The variable `rights` has the rights to tables.

SELECT format('ALTER DATABASE %I OWNER TO acoustid_owner', current_database()),
       format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()),
       format('GRANT CONNECT ON DATABASE %I TO acoustid_service', current_database())
\gexec

-- Tables that another role has created, such as the superuser of an earlier version. An index or
-- the sequence of a column follows its table.
SELECT format('ALTER SCHEMA %I OWNER TO acoustid_owner', nspname)
FROM pg_namespace
WHERE nspname = 'musicbrainz'
\gexec
SELECT format('ALTER TABLE %s OWNER TO acoustid_owner', oid::regclass)
FROM pg_class
WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
  AND relnamespace::regnamespace::text IN ('public', 'musicbrainz')
  AND relowner <> 'acoustid_owner'::regrole
  AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype IN ('a', 'i', 'e')
  )
\gexec
SELECT format('ALTER ROUTINE %s OWNER TO acoustid_owner', oid::regprocedure)
FROM pg_proc
WHERE pronamespace::regnamespace::text IN ('public', 'musicbrainz')
  AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e'
  )
\gexec

REVOKE ALL ON SCHEMA public FROM PUBLIC;
SELECT format('GRANT USAGE ON SCHEMA %I TO acoustid_service', nspname),
       format('GRANT %s ON ALL TABLES IN SCHEMA %I TO acoustid_service', :'rights', nspname),
       format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO acoustid_service', nspname)
FROM pg_namespace
WHERE nspname IN ('public', 'musicbrainz')
\gexec

-- What later migrations create.
ALTER DEFAULT PRIVILEGES FOR ROLE acoustid_owner GRANT USAGE ON SCHEMAS TO acoustid_service;
ALTER DEFAULT PRIVILEGES FOR ROLE acoustid_owner GRANT :rights ON TABLES TO acoustid_service;
ALTER DEFAULT PRIVILEGES FOR ROLE acoustid_owner
  GRANT USAGE, SELECT ON SEQUENCES TO acoustid_service;
