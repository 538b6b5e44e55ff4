-- Makes the farm's roles in PostgreSQL. An administrator runs it with psql in the farm's database, and again to change
-- passwords. Each password is the one line of $SECRETS/postgres_owner, postgres_controller, postgres_worker or
-- postgres_reader.
--
--   SECRETS=/etc/wattfarm psql --dbname farm --file roles.sql
--
-- grants.sql gives the roles their rights on the tables, which do not exist yet.
\set ON_ERROR_STOP on
\set owner `cat "$SECRETS/postgres_owner"`
\set controller `cat "$SECRETS/postgres_controller"`
\set worker `cat "$SECRETS/postgres_worker"`
\set reader `cat "$SECRETS/postgres_reader"`

SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['farm_owner', 'farm_controller', 'farm_worker', 'farm_reader']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

BEGIN;
-- for `farm db upgrade` only
ALTER ROLE farm_owner PASSWORD :'owner';
-- for `farm serve`, and for people: `farm submit`, `cancel`, `retry`
ALTER ROLE farm_controller PASSWORD :'controller';
-- for `farm worker`
ALTER ROLE farm_worker PASSWORD :'worker';
-- for `farm status`, `results`, `export` and notebooks
ALTER ROLE farm_reader PASSWORD :'reader';
-- a query cannot fill the disk with temporary files; only a superuser may set or lift this
SELECT format('ALTER ROLE farm_reader SET temp_file_limit = %L', '10GB')
  FROM pg_roles WHERE rolname = current_user AND rolsuper \gexec

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO farm_owner, farm_controller, farm_worker, farm_reader', current_database()) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO farm_owner, farm_controller, farm_worker, farm_reader;
GRANT CREATE ON SCHEMA public TO farm_owner;
COMMIT;
