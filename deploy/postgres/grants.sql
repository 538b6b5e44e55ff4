-- Grants each role its rights on the farm's tables. farm_owner runs it after every `farm db upgrade`.
--
--   psql --username farm_owner --dbname farm --set ON_ERROR_STOP=1 --file grants.sql
BEGIN;
SET LOCAL client_min_messages = warning;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM farm_controller, farm_worker, farm_reader;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO farm_reader, farm_controller;

-- The controller and people plan, cancel and take back jobs. They add no measurement and delete nothing.
GRANT INSERT, UPDATE ON sweep, job TO farm_controller;
GRANT UPDATE (wanted_state) ON machine TO farm_controller;
GRANT INSERT ON trial TO farm_controller;  -- to record that an attempt was lost

-- A worker claims jobs and adds results. It cannot see results, and cannot change what a job asks for.
GRANT SELECT ON wattfarm_schema, machine, job TO farm_worker;
GRANT SELECT (id, name, carbon, hold_until) ON sweep TO farm_worker;
GRANT INSERT, UPDATE ON machine TO farm_worker;
GRANT UPDATE (state, attempt, max_attempts, machine_id, claimed_at, lease_owner, lease_until, published_at)
  ON job TO farm_worker;
GRANT INSERT ON environment, trial, "window", measurement, sample, trace, latency, requests, epoch TO farm_worker;
GRANT SELECT (id, failure_kind) ON trial TO farm_worker;
GRANT DELETE ON trial TO farm_worker;  -- only the record of a lost attempt, see below

ALTER TABLE trial ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS see ON trial;
DROP POLICY IF EXISTS report ON trial;
DROP POLICY IF EXISTS take_the_place_of_a_lost_one ON trial;
CREATE POLICY see ON trial FOR SELECT USING (true);
CREATE POLICY report ON trial FOR INSERT TO farm_controller, farm_worker WITH CHECK (true);
CREATE POLICY take_the_place_of_a_lost_one ON trial FOR DELETE TO farm_worker USING (failure_kind = 'lost');
COMMIT;
