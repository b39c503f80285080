-- The one stream position, and the writer's bookkeeping around a commit.

-- name: stream_current
-- The newest committed position. One row. Table of one row.
SELECT position FROM stream_head;

-- name: stream_take
-- Begins a group: takes $1 positions, and the row's lock until the commit. One row: newest position taken, transaction id.
UPDATE stream_head SET position = position + $1
RETURNING position, pg_current_xact_id()::text::bigint;

-- name: stream_outcome
-- What became of a transaction: 'committed', 'aborted', 'in progress', NULL when it is too old. One row, no table.
SELECT pg_xact_status($1::bigint::text::xid8);

-- name: stream_timeline
-- Name of the database's history; another one after a failover, when transaction ids mean something else. One row, no table.
SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);

-- name: stream_end_backend
-- Ends a connection of the writer's own that went lost with its transaction still open. One row, no table.
SELECT pg_terminate_backend($1::integer);
