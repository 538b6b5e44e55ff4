-- The farm's roles in PostgreSQL, for psql, by an administrator, in the farm's database. Run it again to change
-- passwords: each is the one line of $SECRETS/postgres_owner, postgres_controller, postgres_worker, postgres_reader.
--
--   SECRETS=/etc/wattfarm psql --dbname farm --file roles.sql
--
-- What each may do with the tables is in grants.sql, since there are no tables yet.
\set ON_ERROR_STOP on
\set owner `cat "$SECRETS/postgres_owner"`
\set controller `cat "$SECRETS/postgres_controller"`
\set worker `cat "$SECRETS/postgres_worker"`
\set reader `cat "$SECRETS/postgres_reader"`

SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['farm_owner', 'farm_controller', 'farm_worker', 'farm_reader']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

BEGIN;
-- `farm db upgrade`, nothing else
ALTER ROLE farm_owner PASSWORD :'owner';
-- `farm serve`, and people: `farm submit`, `cancel`, `retry`
ALTER ROLE farm_controller PASSWORD :'controller';
-- `farm worker`
ALTER ROLE farm_worker PASSWORD :'worker';
-- `farm status`, `results`, `export`, a notebook
ALTER ROLE farm_reader PASSWORD :'reader';

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO farm_owner, farm_controller, farm_worker, farm_reader', current_database()) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO farm_owner, farm_controller, farm_worker, farm_reader;
GRANT CREATE ON SCHEMA public TO farm_owner;
COMMIT;
