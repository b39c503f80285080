-- Session-level advisory locks; all on one connection of a process.

-- name: lease_try
-- Takes a lock unless another session has it. One row, no table.
SELECT pg_try_advisory_lock($1::bigint);

-- name: lease_release
-- One row, no table.
SELECT pg_advisory_unlock($1::bigint);

-- name: lease_ping
-- Shows that the session, and with it each lock, is still there. One row, no table.
SELECT true;
