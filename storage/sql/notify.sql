-- Messages between processes.

-- name: notify_send
-- Tells all who LISTEN on a channel, at commit: channel, payload. One row, no table.
SELECT pg_notify($1::text, $2::text);
