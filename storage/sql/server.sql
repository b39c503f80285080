-- What a database server says of itself.

-- name: server_timeline
-- Of a new connection (storage/fence.h): the identifier of the database cluster, and the timeline that the server writes; 0: it is a replica. One
-- row. No table.
SELECT system_identifier, CASE WHEN pg_is_in_recovery() THEN 0
	ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END
FROM pg_control_system();

-- name: server_answer
-- Whether it answers. One row, no table.
SELECT 1;
